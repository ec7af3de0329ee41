"""Run the command line as a person does, in this process, and return what it prints and its exit code."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from typing import NamedTuple
from unittest import mock

from arignote.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def arignote(*words: object) -> Ended:
    """Run ``arignote WORDS`` in the working directory; a command that a signal stops needs a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(sys, "argv", ["arignote", *map(str, words)]))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default")
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Ended(code, out.getvalue(), err.getvalue())
