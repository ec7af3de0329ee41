"""The group of all commands, to which each module of this package adds its own."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from arignote.errors import nearest
from arignote.process import READER_ENDED

__all__ = ["app"]


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of a name; if there is none, fail with the names of all."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = nearest(args[0], known)
            hint = f" Did you mean {near!r}?" if near else ""
            ctx.fail(f"there is no command {args[0]!r}.{hint} Commands: {', '.join(sorted(known))}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; if the reader of a pipe has ended, as in "| head -1", end as SIGPIPE ends other commands."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(READER_ENDED) from None


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def _app() -> None:
    """Train networks that are declared as data; a run that is killed resumes exactly."""
