"""The table of parts: which class a name stands for, and where the classes are that are not imported yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from arignote.errors import Complaint, ConfigError, did_you_mean
from arignote.parts import HOMES
from arignote.registry.lazy import homes

if TYPE_CHECKING:
    from arignote.registry.part import Part

__all__ = [
    "check_trusted",
    "find",
    "is_known",
    "is_of_user",
    "kinds",
    "names",
    "only_trusting",
    "part_name",
    "register",
    "with_article",
]

_PARTS: dict[str, dict[str, type[Part]]] = {}
P = TypeVar("P", bound="Part")


def register(*aliases: str, name: str = "") -> Callable[[type[P]], type[P]]:
    """Return a decorator that registers a class of parts under its name and `aliases` (case does not matter)."""

    def decorator(cls: type[P]) -> type[P]:
        if is_of_user(cls):
            # A name that is taken is refused here, and not when the part that has it is used first.
            names(cls.kind)
        table = _PARTS.setdefault(cls.kind, {})
        for word in (name or cls.__name__, *aliases):
            if table.setdefault(word, cls) is not cls:
                raise RuntimeError(f"{cls.kind} {word!r} is registered twice")
        return cls

    return decorator


def names(kind: str) -> dict[str, type[Part]]:
    """Return all registered names (aliases too) of a kind, with their classes; all their modules are imported."""
    for home in HOMES.get(kind, ()):
        module = import_module(home)
        for name in homes(home):
            getattr(module, name)
    # In an order that does not depend on which was used first.
    table = _PARTS.get(kind, {})
    return dict(sorted(table.items(), key=lambda item: part_name(item[1]).lower()))


def kinds() -> list[str]:
    """Return the kinds of parts that are registered, in order."""
    return sorted({*_PARTS, *HOMES})


def is_known(kind: str, word: Any) -> bool:
    """Return whether a word is the name of a part."""
    return isinstance(word, str) and _named(kind, word) is not None


def _named(kind: str, word: str) -> type[Part] | None:
    """Return the part that a word names, in any case, with or without the kind at its end; None if there is none.

    Of the modules of this package only the one whose class has the name is imported; all, if none has.
    """
    if word in _PARTS.get(kind, {}):
        return _PARTS[kind][word]
    forms = [word.lower(), f"{word.lower()}{kind}"] if word else []
    # From cheap to costly: what is imported, the module with a class of this name, all modules of the kind.
    for imported in (lambda: None, lambda: _import_class(kind, forms), lambda: names(kind)):
        imported()
        folded = {known.lower(): cls for known, cls in _PARTS.get(kind, {}).items()}
        for form in forms:
            if form in folded:
                return folded[form]
    return None


def _import_class(kind: str, forms: list[str]) -> None:
    """Import the modules of a kind with a class that has one of these names, "he_normal" for HeNormal."""
    words = {form.replace("_", "") for form in forms}
    for home in HOMES.get(kind, ()):
        for name in homes(home):
            if name.lower() in words:
                getattr(import_module(home), name)


def is_of_user(cls: type[Part]) -> bool:
    """Return whether a class is of another package."""
    return cls.__module__.partition(".")[0] != __name__.partition(".")[0]


def part_name(part: Part | type[Part]) -> str:
    """Return the first name under which a part is registered; "module:Name" for parts of other packages."""
    cls = part if isinstance(part, type) else type(part)
    if is_of_user(cls):
        return f"{cls.__module__}:{cls.__qualname__}"
    return next((word for word, known in _PARTS.get(cls.kind, {}).items() if known is cls), cls.__name__)


def find(kind: str, word: Any) -> type[Part]:
    """Return the class registered under `word`; raise ConfigError, with the nearest name, if there is none."""
    if isinstance(word, str) and ":" in word:
        return _from_outside(kind, word)
    if isinstance(word, str):
        if cls := _named(kind, word):
            return cls
        table = names(kind)
        # The table of synonyms is loaded only when a message is built.
        from arignote.hints.synonyms import advice_on

        advice = advice_on(f"{kind} name", word)
        # Aliases are accepted, but not listed.
        listed = sorted({part_name(cls) for cls in table.values()}, key=str.lower)
        hint = "" if advice else f". {did_you_mean(word, table, listed)}"
        raise ConfigError(Complaint((), f"unknown {kind} {word!r}{hint}", advice=advice))
    raise ConfigError(f"the name of {with_article(kind)} must be a string; got {word!r}")


# While a checkpoint is read: its name, and the modules that may be imported for it.
_FILE: ContextVar[tuple[str, tuple[str, ...]] | None] = ContextVar("file", default=None)


@contextmanager
def only_trusting(run: str, modules: tuple[str, ...]) -> Iterator[None]:
    """Return a context in which only `modules` are imported for "module:Name", as specs come from the file of `run`."""
    token = _FILE.set((run, modules))
    try:
        yield
    finally:
        _FILE.reset(token)


def check_trusted(kind: str, word: str) -> None:
    """Raise ConfigError if "module:Name" comes from the file of a run and its module is not trusted."""
    module = word.partition(":")[0]
    # Without a file, the user has written the name.
    run, trusted = _FILE.get() or ("", (module,))
    if module not in trusted:
        raise ConfigError(
            f"{kind} {word!r} is of the module {module!r}, which is not imported because a file names it. "
            f"If you trust it: NNClassifier.load({run!r}, trust=[{module!r}]), or --trust {module}"
        )


def _from_outside(kind: str, word: str) -> type[Part]:
    """Return the registered class "module:Name"; the module is imported if it was not."""
    module = word.partition(":")[0]
    is_name = all(part.isidentifier() for part in module.split("."))
    # Once before the import and once after it.
    for may_import in (True, False):
        for cls in _PARTS.get(kind, {}).values():
            if f"{cls.__module__}:{cls.__qualname__}" == word:
                return cls
        # No import gives a local class or a lambda, and "__main__" is whichever script runs now.
        if not may_import or not is_name or "<" in word or module == "__main__":
            break
        check_trusted(kind, word)
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigError(f"{kind} {word!r}: {error}. Is the folder of the module on PYTHONPATH?") from None
    raise ConfigError(f"{word!r} is not a registered {kind}: it must be a class with the decorator @register()")


def with_article(kind: str) -> str:
    """Return a kind with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
