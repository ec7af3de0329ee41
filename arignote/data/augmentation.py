"""Augmentation: functions of a batch, each with the stream of that batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import ArignoteError, ConfigError, DataError, warn
from arignote.generators import GENERATORS, global_generator_state
from arignote.registry import Part, is_custom
from arignote.streams import stream, stream_seed

__all__ = ["Augmentation", "augmented_to", "draws_from_globals"]


class Augmentation:
    """Applies functions ``(x, y, epoch=, rng=, n_classes=) -> (x, y)`` one after the other.

    Parameters
    ----------
    functions : sequence of callable
        Each is given only the keywords it accepts; `rng` is a numpy Generator of the batch's own stream.
    seed : int
        Seed of the run.
    n_classes : int
        Number of classes.
    seed_globals : callable, optional
        Given, the global random generators are seeded by it for each batch, from (seed, "augment", epoch, batch), and
        kept from other threads meanwhile. Otherwise a function of the user that draws from them is reported.
    """

    def __init__(
        self,
        functions: Sequence[Callable[..., Any]],
        seed: int,
        n_classes: int,
        seed_globals: Callable[[int], None] | None = None,
    ):
        for function in functions:
            if isinstance(function, type):
                raise ConfigError(
                    f"augmentation must be functions; got the class {function.__name__}: give {function.__name__}()"
                )
        self.seed, self.n_classes = seed, n_classes
        self._functions = [(function, _accepted(function)) for function in functions]
        self._is_custom = any(_is_custom(function) for function in functions)
        self._seed_globals = seed_globals
        self._is_reported = False

    def __call__(self, x: NDArray[Any], y: NDArray[Any], epoch: int, batch: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the augmented batch; DataError where a function raises, or gives another number of rows."""
        if not self._is_custom:
            return self._applied(x, y, epoch, batch)
        if epoch > 0 and batch == 0:
            # As `tried` does in the first epoch.
            self._compare(x, y, epoch)
        if self._seed_globals is not None:
            with GENERATORS:
                self._seed_globals(stream_seed(self.seed, "augment", epoch, batch))
                return self._applied(x, y, epoch, batch)
        before = global_generator_state()
        found = self._applied(x, y, epoch, batch)
        if global_generator_state() != before:
            self._report("draws from a global random generator")
        return found

    def _applied(self, x: NDArray[Any], y: NDArray[Any], epoch: int, batch: int) -> tuple[NDArray[Any], NDArray[Any]]:
        where = f"augmentation of epoch {epoch + 1}, batch {batch}"
        keywords = {"epoch": epoch, "rng": stream(self.seed, "augment", epoch, batch), "n_classes": self.n_classes}
        n_rows = len(x)
        for function, accepted in self._functions:
            try:
                found = function(x, y, **{name: keywords[name] for name in accepted})
            except ArignoteError as fault:
                raise DataError(f"{where}: {fault}") from fault
            except Exception as fault:
                raise DataError(f"{where}: {type(fault).__name__}: {fault}") from fault
            if not isinstance(found, tuple | list) or len(found) != 2:
                raise DataError(f"{where}: must return features and labels, (x, y); got {type(found).__name__}")
            x, y = map(np.asarray, found)
            if len(x) != n_rows or len(y) != n_rows:
                raise DataError(f"{where}: must return {n_rows} rows; got {len(x)} and {len(y)}")
        if not self._are_labels(y):
            raise DataError(
                f"{where}: labels must be class numbers in 0 .. {self.n_classes - 1}, or shares of the classes "
                f"(rows, {self.n_classes}); got {y.dtype} of shape {y.shape}, such as {y[0].tolist()}"
            )
        dtype = np.int64 if y.ndim == 1 else np.float32
        return np.ascontiguousarray(x, dtype=np.float32), np.ascontiguousarray(y, dtype=dtype)

    def _are_labels(self, y: NDArray[Any]) -> bool:
        if y.ndim == 1 and y.dtype.kind in "iu":
            return bool(y.min() >= 0 and y.max() < self.n_classes)
        return y.shape[1:] == (self.n_classes,) and y.dtype.kind in "iuf"

    def tried(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[int, ...]:
        """Augment a batch twice and report a difference; return the shape of an example."""
        return self._compare(x, y, 0)

    def _compare(self, x: NDArray[Any], y: NDArray[Any], epoch: int) -> tuple[int, ...]:
        """Augment the first batch of an epoch twice: a difference comes of draws elsewhere than from `rng`."""
        found = []
        for _ in range(2):
            with GENERATORS:
                if self._seed_globals is not None:
                    self._seed_globals(stream_seed(self.seed, "augment", epoch, 0))
                found.append(self._applied(x.copy(), y.copy(), epoch, 0))
        if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(*found, strict=True)):
            self._report("gives different results for the same rng")
        return found[0][0].shape[1:]

    def _report(self, what: str) -> None:
        if self._is_reported:
            return
        self._is_reported = True
        warn(
            f"augmentation {what}: a resumed run will not be exact. "
            "Draw all random numbers from the rng that it is given"
        )


def draws_from_globals(functions: Sequence[Callable[..., Any]]) -> bool:
    """Whether a function of the user takes no `rng`: if it draws, then from global generators."""
    return any(_is_custom(function) and "rng" not in _accepted(function) for function in functions)


def _is_custom(function: Callable[..., Any]) -> bool:
    return not isinstance(function, Part) or is_custom(function)


def augmented_to(shape: tuple[int, ...], n_in: tuple[int, ...]) -> DataError:
    """Return the error of an augmentation whose examples the network cannot take."""
    return DataError(
        f"augmentation makes examples of {shape} out of {n_in}, which need another network: "
        "rows that are not augmented keep their shape"
    )


def _accepted(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:
        return []
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return ["epoch", "rng"]
    return [name for name in ("epoch", "rng", "n_classes") if name in parameters]
