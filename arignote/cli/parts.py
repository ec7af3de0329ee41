"""Commands that explain what a config may name."""

from __future__ import annotations

from typing import Annotated

import typer

from arignote.cli.commands import command
from arignote.process import shorten_process

__all__ = ["parts"]


@command
def parts(
    kind: Annotated[str | None, typer.Argument(help="A kind, such as layer or updater, or the name of a part.")] = None,
    name: Annotated[str | None, typer.Argument(help="The name of a part of this kind.")] = None,
) -> None:
    """List the kinds of parts, the parts of a kind, or one with its parameters, types, defaults and an example.

    Example: arignote parts updater adam
    """
    shorten_process()
    from arignote.report.parts_text import parts_lines

    print("\n".join(parts_lines(kind, name)))
