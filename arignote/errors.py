"""Exceptions, as a tree; warnings; parts of messages.

::

    ArignoteError
    ├── ConfigError (ValueError)         a spec, a setting or a config file is not what it must be
    │   └── CallError (TypeError)        a method was called with an argument that is unknown, missing or one too many
    ├── DataError (ValueError)           the data cannot be trained on, or does not fit the network
    │   └── DataTypeError (TypeError)    a value is of a type that is no number
    ├── CheckpointError (RuntimeError)   a file of a run cannot be read, written or resumed from
    ├── NotFiniteError (ArithmeticError) the loss or a weight became NaN or infinite
    └── ProcessError (RuntimeError)      another process of the same fit failed, or did not answer

    Interrupted (SystemExit)             SIGTERM, SIGUSR1 or a notice of preemption
    ArignoteWarning (UserWarning)        training continues, but something needs attention
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from arignote.hints.advice import Advice, Notation

__all__ = [
    "ArignoteError",
    "ArignoteWarning",
    "CallError",
    "CheckpointError",
    "Complaint",
    "ConfigError",
    "DataError",
    "DataTypeError",
    "ErrorCollector",
    "Interrupted",
    "NotFiniteError",
    "ProcessError",
    "available_names",
    "axes_hint",
    "did_you_mean",
    "listed",
    "nearest",
    "warn",
]


class ArignoteError(Exception):
    """Base class of all errors that Arignote raises on purpose.

    Attributes
    ----------
    is_reported : bool
        Whether another process of the same fit reports it.
    """

    is_reported = False


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong in a spec.

    Attributes
    ----------
    path : tuple of str or int
        Keys and positions from the root, or from the layer that `layer` names.
    message : str
        What is wrong.
    label : str
        The part that is meant, such as "FCLayer 'fc1'".
    advice : Advice, optional
        What to write instead.
    layer : str
        Name of a layer of a network, whose place in a list is not known where the error is raised.
    """

    path: tuple[str | int, ...]
    message: str
    label: str = ""
    advice: Advice | None = None
    layer: str = ""

    def under(self, *prefix: str | int) -> Complaint:
        """Return the same complaint with a path that begins further up."""
        return replace(self, path=(*prefix, *self.path))

    def text(self, notation: Notation = "python", prefix: str = "") -> str:
        """Return place, message and advice, the last in a notation; see `Advice.text_in`."""
        return f"{self}. {self.advice.text_in(notation, self.path, prefix)}" if self.advice else str(self)

    def __str__(self) -> str:
        if self.layer:
            return f"{self.layer}: {self.message}"
        last = self.path[-1] if self.path else ""
        # A message that begins with the last key replaces it, so that the name is written once.
        is_named = self.message.startswith((f"{last} ", f"{last}: "))
        path = self.path[:-1] if is_named else self.path
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        label = f" ({self.label})" if self.label else ""
        return (
            f"{where}{label}{'.' if is_named and not label else ': '}{self.message}" if where or label else self.message
        )


class ConfigError(ArignoteError, ValueError):
    """A spec, a setting or a config file is wrong; everything that is wrong is in one report.

    Parameters
    ----------
    complaints : str, Complaint or iterable of Complaint
        What is wrong, in the order of the file; a string is a complaint without a place.
    lines : sequence of str, optional
        Lines of the message; by default one line for each complaint.

    Attributes
    ----------
    complaints : tuple of Complaint
        The same, as a tuple.
    """

    def __init__(self, complaints: str | Complaint | Iterable[Complaint], lines: Sequence[str] | None = None):
        if isinstance(complaints, str):
            complaints = Complaint((), complaints)
        self.complaints = (complaints,) if isinstance(complaints, Complaint) else tuple(complaints)
        super().__init__("\n".join(lines or [c.text() for c in self.complaints]))

    def under(self, *prefix: str | int) -> ConfigError:
        """Return an error with the same complaints, and paths that begin further up.

        Parameters
        ----------
        *prefix : str or int
            Keys and positions that are put in front of each path.

        Returns
        -------
        ConfigError
            The error.
        """
        return ConfigError([c.under(*prefix) for c in self.complaints])


class CallError(ConfigError, TypeError):
    """A method was called with an argument that is unknown, missing, given twice or one too many.

    Parameters
    ----------
    complaints, lines : object
        As in `ConfigError`.
    """


class DataError(ArignoteError, ValueError):
    """The data cannot be trained on, or does not fit the network."""


class DataTypeError(DataError, TypeError):
    """A value of the data is of a type that is no number, such as a dict."""


class ErrorCollector:
    """Errors of checks that do not depend on one another, reported together.

    Examples
    --------
    >>> collector = ErrorCollector()
    >>> for word in ("3", "x", "y"):
    ...     with collector.collect():
    ...         if not word.isdigit():
    ...             raise DataError(f"{word!r} is not a number")
    >>> collector.raise_all()
    Traceback (most recent call last):
    arignote.errors.DataError: 'x' is not a number
    'y' is not a number
    """

    def __init__(self) -> None:
        self._errors: dict[str, ConfigError | DataError] = {}

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Return a context that keeps a ConfigError or DataError for `raise_all`."""
        try:
            yield
        except (ConfigError, DataError) as error:
            # The same error may be found in several ways.
            self._errors.setdefault(str(error), error)

    def raise_all(self) -> None:
        """Raise the collected errors: a single one as it is, several as one error of the type of the first."""
        errors = list(self._errors.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise type(errors[0])("\n".join(self._errors))


class CheckpointError(ArignoteError, RuntimeError):
    """A file of a run cannot be read, written or resumed from."""


class NotFiniteError(ArignoteError, ArithmeticError):
    """The loss or a weight became NaN or infinite; the message names the step and the layer."""


class ProcessError(ArignoteError, RuntimeError):
    """Another process that trains the same network failed, or did not answer."""


class Interrupted(SystemExit):
    """A signal or a notice stopped the run; uncaught, the process ends with the exit code.

    Parameters
    ----------
    reason : str
        The signal, or the notice of preemption.
    code : int
        128 + the number of the signal.
    lost : str
        Position of the run if it has no checkpoint; empty if the state is saved.
    """

    def __init__(self, reason: str, code: int, lost: str = ""):
        super().__init__(code)
        self.reason = reason
        self.code: int = code
        self.lost = lost

    def __str__(self) -> str:
        if not self.lost:
            return f"{self.reason}: stopped and saved"
        return f"{self.reason}: stopped {self.lost}; this is lost, as the run has no checkpoint"


class ArignoteWarning(UserWarning):
    """Training continues, but something needs attention."""


def warn(message: str, category: type[Warning] = ArignoteWarning) -> None:
    """Issue a warning that points at the line of the caller: the first one outside of this package."""
    # Not `skip_file_prefixes` of warnings.warn, which Python 3.11 lacks.
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def did_you_mean(word: str, known: Iterable[str], shown: Sequence[str] = ()) -> str:
    """Return ``Did you mean 'x'?``, or the list of known names if none is near; `shown` is listed always."""
    known = sorted(set(known))
    near = nearest(word, known)
    sentences = [f"Did you mean {near!r}?"] if near else []
    if shown or not near:
        sentences.append(f"Known: {listed(shown) if shown else ', '.join(known)}.")
    return " ".join(sentences)


def available_names(word: str, available: Sequence[str]) -> str:
    """Return ``Did you mean 'x'?`` if a name is near, and the available names."""
    near = nearest(word, available)
    return f"{f'Did you mean {near!r}? ' if near else ''}There are: {listed(available)}"


def listed(names: Sequence[object]) -> str:
    """Return names for an error: the first twenty, and how many more there are."""
    shown = ", ".join(map(str, names[:20]))
    return (shown or "nothing") + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a word; None if none is near."""
    folded = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1)
    return folded[near[0]] if near else None


def axes_hint(shape: Any, expected: Any) -> str:
    """Return the end of an error: which `axes` would give examples the expected shape; "" if none would.

    Shapes are tuples of int, of several channels mappings of these, of which the first that differs counts.
    """
    if isinstance(shape, Mapping) and isinstance(expected, Mapping):
        differing = (name for name in expected if name in shape and shape[name] != expected[name])
        name = next(differing, None)
        return "" if name is None else axes_hint(shape[name], expected[name])
    if isinstance(shape, Mapping) or isinstance(expected, Mapping):
        return ""
    got, wanted = tuple(shape), tuple(expected)
    # What examples of `shape` would be with their channels first, for each order of the axes.
    ways = {"NHWC": (*got[-1:], *got[:-1]), "NHW": (1, *got), "NCHW": (*got[1:], *got[:1])}
    fitting = [axes for axes, moved in ways.items() if moved == wanted and len(got) == (2 if axes == "NHW" else 3)]
    return f". If the axes of these images are in another order, set axes: {fitting[0]}" if fitting else ""
