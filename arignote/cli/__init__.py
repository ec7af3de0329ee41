"""The command line: argument parsing only."""

from __future__ import annotations

import os
from importlib import import_module

from arignote.cli.commands import app
from arignote.process import run_process

__all__ = ["app", "main"]

# In the order in which --help lists their commands.
for _name in ("training", "configs", "runs", "predictions", "reports", "parts"):
    import_module(f"{__name__}.{_name}")


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 unexpected error, 2 usage or config, 3 data, 4 checkpoint, 5 training diverged, 128 + signal
    stopped and saved (141: the reader of a pipe has ended). Only 128 + signal is worth a retry; see
    docs/preemptible.md.
    """
    # pydantic would look for plugins in the metadata of every package that is installed, and load them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    run_process(app)
