"""The group of all commands, to which each module of this package adds its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from typer._completion_classes import completion_init
from typer.completion import install_callback, show_callback
from typer.core import TyperCommand, TyperGroup

from arignote.cli.usage import in_house_form
from arignote.process import READER_ENDED
from arignote.version import __version__

__all__ = ["app", "command"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_SETTINGS = {"help_option_names": ["-h", "--help"]}
# Shown below the commands; each line as it stands.
_EXIT_CODES = """\b
Exit codes: 0 done; 1 unexpected error; 2 usage or config; 3 data; 4 checkpoint;
5 training diverged; 128 + signal: stopped and saved, the same command resumes.
See docs/command-line.md."""

# In the order in which they are added.
_functions: dict[str, Callable[..., Any]] = {}


def command(function: _Function) -> _Function:
    """Add a function as the command of its name; its parameters are read when the command is used."""
    _functions[function.__name__] = function
    return function


def _wants_debug(ctx: Any, value: bool) -> None:
    ctx.meta["debug"] = value


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command; print its help first, as the types of its parameters take 0.2 s to import."""
        # --debug may follow the command too, where click does not know it.
        if "--debug" in args:
            args.remove("--debug")
            _wants_debug(ctx, True)
        # A shell that completes a word parses with `resilient_parsing`, and must get no help text.
        if set(args) & set(ctx.help_option_names) and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit()
        with in_house_form(ctx):
            return super().parse_args(ctx, args)


class _Commands(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before a command."""
        if not args:
            # As --help, but that no command is given is an error.
            return super().parse_args(ctx, args)
        with in_house_form(ctx):
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands."""
        return list(_functions)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is none of this name."""
        if cmd_name not in _functions:
            return None
        # Each command alone: to add all of them, the types of all their options would be imported.
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(cmd_name, cls=_Command, context_settings=_SETTINGS)(_functions[cmd_name])
        return typer.main.get_command(alone)

    def get_help_option(self, ctx: Any) -> Any:
        """Return --help, which is False unless it is given: to parse its None as a bool, typer imports pydantic."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the first line of each command's docstring, below that of its module."""
        # In the order in which they were imported (see `arignote.cli`).
        modules = dict.fromkeys(function.__module__ for function in _functions.values())
        for module in modules:
            functions = {name: one for name, one in _functions.items() if one.__module__ == module}
            with formatter.section(str(sys.modules[module].__doc__).rstrip(".")):
                formatter.write_dl([(name, _first_line(one)) for name, one in functions.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of a name; if there is none, fail with the names of all."""
        known = self.list_commands(ctx)
        # A word with a dash is an option of the group, which typer reports.
        if args and args[0] not in known and not args[0].startswith("-"):
            from arignote.errors import ConfigError, available_names

            raise ConfigError(f"there is no command {args[0]!r}. {available_names(args[0], sorted(known))}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; if the reader of a pipe has ended, as in "| head -1", end as SIGPIPE ends other commands."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(READER_ENDED) from None
        except Exception:
            if ctx.meta.get("debug"):
                import traceback

                traceback.print_exc()
            raise


def _first_line(function: Callable[..., Any]) -> str:
    return str(inspect.getdoc(function)).partition("\n")[0]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"arignote {__version__}")
        raise typer.Exit


# Completion with add_completion, whose options have no bool as default, would import pydantic for each command.
completion_init()
app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    # `run_process` reports errors.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
    epilog=_EXIT_CODES,
)


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", callback=_wants_debug, help="Print the traceback of an error; after a command too."),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option("--show-completion", callback=show_callback, help="Print the completion script of this shell."),
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion", callback=install_callback, help="Write that script where this shell reads it."
        ),
    ] = False,
) -> None:
    """Train networks that are declared as data; a run that is killed resumes exactly."""
