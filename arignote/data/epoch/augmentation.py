"""Augmentation of batches: functions that draw from the random stream of their batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets import Targets, TargetState
from arignote.errors import ArignoteError, ConfigError, DataError, warn
from arignote.generators import GENERATORS, global_generator_state
from arignote.registry import Part, is_custom
from arignote.streams import stream, stream_seed

__all__ = ["Augmenter", "augmented_to", "draws_from_globals"]


class Augmenter:
    """Apply functions ``(x, y, epoch=, rng=, n_classes=) -> (x, y)`` to batches, one after the other.

    Parameters
    ----------
    functions : sequence of callable
        Each receives the keywords that it accepts; `rng` is a NumPy Generator, the stream of the batch.
    seed : int
        Seed of the run.
    targets : Targets
        What the network is trained to predict.
    target_states : dict of str to dict
        What the target of each output has learned.
    seed_globals : callable, optional
        Seeds the global random generators from an integer. It is called for each batch with the seed of
        (seed, "augment", epoch, batch), and the shard if there are several, under a lock that keeps other threads from
        drawing. If it is left out, a user's function that draws from a global generator raises an ArignoteWarning.

    Raises
    ------
    ConfigError
        If a class is passed instead of an instance.
    """

    def __init__(
        self,
        functions: Sequence[Callable[..., Any]],
        seed: int,
        targets: Targets,
        target_states: Mapping[str, TargetState],
        seed_globals: Callable[[int], None] | None = None,
    ):
        for function in functions:
            if isinstance(function, type):
                raise ConfigError(
                    f"augmentation must be functions; got the class {function.__name__}: give {function.__name__}()"
                )
        self.seed, self._targets, self._target_states = seed, targets, target_states
        self._functions = [(function, _accepted(function)) for function in functions]
        self._is_custom = any(_is_custom(function) for function in functions)
        self._seed_globals = seed_globals
        self._is_reported = False

    def __call__(
        self, x: NDArray[Any], y: NDArray[Any], epoch: int, batch: int, shard: int | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return an augmented batch.

        Parameters
        ----------
        x : array (rows, ...) of float32
            Features; the functions may change them in place.
        y : array (rows,) of int64, or (rows, n_outputs) of float32
            Encoded targets, such as class numbers.
        epoch, batch : int
            Position of the batch in the run, both from 0.
        shard : int, optional
            Of a batch in shards, its number, from 0.

        Returns
        -------
        x : array (rows, ...) of float32
        y : array (rows,) of int64, or (rows, n_outputs) of float32
            Encoded targets; shares of the classes if classes were mixed.

        Raises
        ------
        DataError
            If a function raises, does not return (x, y), changes the number of rows, or returns wrong labels.
        """
        position = (epoch, batch) if shard is None else (epoch, batch, shard)
        if not self._is_custom:
            return self._applied(x, y, *position)
        if epoch > 0 and not batch and not shard:
            # `tried` has compared the first epoch.
            self._compare(x, y, *position)
        if self._seed_globals is not None:
            with GENERATORS:
                self._seed_globals(stream_seed(self.seed, "augment", *position))
                return self._applied(x, y, *position)
        before = global_generator_state()
        augmented = self._applied(x, y, *position)
        if global_generator_state() != before:
            self._report("draws from a global random generator")
        return augmented

    def _applied(self, x: NDArray[Any], y: NDArray[Any], *position: int) -> tuple[NDArray[Any], NDArray[Any]]:
        epoch, batch, *_ = position
        where = f"augmentation of epoch {epoch + 1}, batch {batch}"
        keywords: dict[str, Any] = {"epoch": epoch, "rng": stream(self.seed, "augment", *position)}
        keywords |= self._targets.keywords(self._target_states)
        n_rows = len(x)
        for function, accepted in self._functions:
            try:
                returned = function(x, y, **{name: keywords[name] for name in accepted if name in keywords})
            except ArignoteError as error:
                raise DataError(f"{where}: {error}") from error
            except Exception as error:
                raise DataError(f"{where}: {type(error).__name__}: {error}") from error
            if not isinstance(returned, tuple | list) or len(returned) != 2:
                raise DataError(f"{where}: must return features and labels, (x, y); got {type(returned).__name__}")
            x, y = map(np.asarray, returned)
            if len(x) != n_rows or len(y) != n_rows:
                raise DataError(f"{where}: must return {n_rows} rows; got {len(x)} and {len(y)}")
        if not self._targets.is_encoded(y, self._target_states):
            form = self._targets.encoded_form(self._target_states)
            raise DataError(f"{where}: y must be {form}; got {y.dtype} of shape {y.shape}, such as {y[0].tolist()}")
        is_of_numbers = y.ndim == 1 or (self._targets.has_steps and y.dtype.kind in "iu")
        # A structured array holds several outputs, or channels, whose fields have their dtypes already.
        dtype = y.dtype if y.dtype.names else np.int64 if is_of_numbers else np.float32
        x = x if x.dtype.names else np.ascontiguousarray(x, dtype=np.float32)
        return x, np.ascontiguousarray(y, dtype=dtype)

    def tried(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """Augment a batch of epoch 0 twice, and warn if the results differ.

        Parameters
        ----------
        x : array (rows, ...) of float32
        y : array (rows, ...)

        Returns
        -------
        array (rows, ...)
            The augmented examples.
        """
        return self._compare(x, y, 0, 0)

    def _compare(self, x: NDArray[Any], y: NDArray[Any], *position: int) -> NDArray[Any]:
        """Augment the first batch of an epoch twice: results differ if a function draws from elsewhere than `rng`."""
        results = []
        for _ in range(2):
            with GENERATORS:
                if self._seed_globals is not None:
                    self._seed_globals(stream_seed(self.seed, "augment", *position))
                # Copies, as a function may change its arguments in place.
                results.append(self._applied(x.copy(), y.copy(), *position))
        if not all(map(_same, *results)):
            self._report("gives different results for the same rng")
        return results[0][0]

    def _report(self, what: str) -> None:
        if self._is_reported:
            return
        self._is_reported = True
        warn(f"augmentation {what}: a resumed run will not be exact. Draw all random numbers from its argument rng")


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Return whether arrays are equal; NaN is equal to NaN."""
    if a.dtype.names and a.dtype.names == b.dtype.names:
        return all(_same(a[name], b[name]) for name in a.dtype.names)
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def draws_from_globals(functions: Sequence[Callable[..., Any]]) -> bool:
    """Return whether any user's function takes no `rng`, and so may draw from the global generators."""
    return any(_is_custom(function) and "rng" not in _accepted(function) for function in functions)


def _is_custom(function: Callable[..., Any]) -> bool:
    return not isinstance(function, Part) or is_custom(function)


def augmented_to(shape: Any, n_in: Any) -> DataError:
    """Return the error for augmented examples that the network cannot take.

    Parameters
    ----------
    shape : tuple of int, or dict of str to tuple of int
        Shape of an augmented example, of several inputs by channel.
    n_in : tuple of int, or dict of str to tuple of int
        Shape of an example that the network takes.

    Returns
    -------
    DataError
    """
    return DataError(
        f"augmentation changes the shape of an example from {n_in} to {shape}; validation and test rows are not "
        "augmented, so the shape must stay the same"
    )


def _accepted(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:
        # A built-in function, such as max, has no signature: it is called with x and y alone.
        return []
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return ["epoch", "rng"]
    return [name for name in ("epoch", "rng", "n_classes") if name in parameters]
