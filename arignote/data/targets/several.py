"""The targets of a network, one for each of its output layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets.base import Target, TargetState
from arignote.data.targets.each_step import EachStep
from arignote.data.values.fields import check_lengths, joined
from arignote.errors import DataError

__all__ = ["Targets", "misnamed"]


@dataclass(frozen=True)
class Targets:
    """The target of each output layer.

    With one output, values are those of its target. With several, `y` of the user is a mapping of names to values (with
    one it may be), and validated or encoded values are a structured array with a field for each output, so that rows of
    all of them are taken together. What they have learned is a mapping of names to states in any case.

    Attributes
    ----------
    by_output : dict of str to Target
        By the name of the output layer, in the order of the layers.
    main : str
        Name of the output that decides which network is best; rows are held out in proportion to its strata.
    """

    by_output: dict[str, Target]
    main: str

    @property
    def of_main(self) -> Target:
        """The target of the main output."""
        return self.by_output[self.main]

    @property
    def is_single(self) -> bool:
        """Whether there is one output."""
        return len(self.by_output) == 1

    @property
    def has_steps(self) -> bool:
        """Whether an output has a value for each step of a sequence."""
        return any(one.has_steps for one in self.by_output.values())

    @property
    def from_input(self) -> bool:
        """Whether the target is made of the input of the network, so that there is no `y`."""
        return self.of_main.from_input

    def check(self, y: Any, what: str, counts: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Return values as the user has them, as of `Target.check`.

        Parameters
        ----------
        y : object
        what : str
            Name of the data in errors.
        counts : array (rows, steps) of bool, optional
            Which steps of the input count, for targets of each step.

        Raises
        ------
        DataError
            Unless there are such values for each output.
        """

        def checked(one: Target, values: Any, where: str) -> NDArray[Any]:
            return one.check(values, where, counts) if isinstance(one, EachStep) else one.check(values, where)

        if self.is_single and not isinstance(y, Mapping):
            return checked(self.of_main, y, what)
        if isinstance(y, np.ndarray) and y.dtype.names:
            # Values that were validated before.
            y = {name: y[name] for name in y.dtype.names}
        elif hasattr(y, "columns"):
            # A DataFrame with a column for each output.
            y = {str(name): y[name] for name in y.columns}
        if wrong := misnamed(y, self.by_output):
            wanted = ", ".join(f"{name!r}: ..." for name in self.by_output)
            raise DataError(f"y of {what} must be a mapping with values for each output, {{{wanted}}}; {wrong}")
        if self.is_single:
            return checked(self.of_main, y[self.main], what)
        by_output = {name: checked(one, y[name], f"{what}, {name!r}") for name, one in self.by_output.items()}
        n_rows = {name: len(values) for name, values in by_output.items()}
        check_lengths(n_rows, f"y of {what} must have as many rows for each output")
        return joined(by_output)

    def learn(
        self,
        y: NDArray[Any] | None,
        rows: NDArray[np.int64] | None,
        what: str,
        stored_states: Mapping[str, TargetState] | None,
        fixed_states: Mapping[str, TargetState] | None = None,
    ) -> dict[str, TargetState]:
        """Return what each target learns, or has in `fixed_states`, with the name of the target, as of `Target.learn`.

        Parameters
        ----------
        y : array (rows, ...), optional
            Targets of all rows, as `check` returns them.
        rows : array (n,) of int64, optional
            Numbers of the training rows; None: all.
        what : str
            Name of the data in errors.
        stored_states : dict, optional
            States of the run that is resumed. That of another target is not used; the run is refused later.
        fixed_states : dict, optional
            States that are used as they are.
        """
        states = {}
        for name, one in self.by_output.items():
            if fixed_states and name in fixed_states:
                states[name] = fixed_states[name]
                continue
            # {} for an output that the run lacks: with None the run would be a new one, whose labels are reported.
            of_run = None if stored_states is None else stored_states.get(name, {})
            if of_run and of_run["target"] != one.named():
                of_run = None
            where = what if self.is_single else f"{what}, {name!r}"
            states[name] = {"target": one.named()} | one.learn(self.values(y, name), rows, where, of_run)
        return states

    def values(self, y: Any, name: str) -> Any:
        """Return the values of one output."""
        return y if self.is_single else y[name]

    def sizes(self, states: Mapping[str, TargetState]) -> dict[str, int]:
        """Return the number of outputs that each output layer needs."""
        return {name: one.size(states[name]) for name, one in self.by_output.items()}

    def encode(self, y: NDArray[Any], states: Mapping[str, TargetState], what: str) -> NDArray[Any]:
        """Return the values that the network is trained on, as of `Target.encode`."""
        if self.is_single:
            return self.of_main.encode(y, states[self.main], what)
        return joined(
            {name: one.encode(y[name], states[name], f"{what}, {name!r}") for name, one in self.by_output.items()}
        )

    def like(self, y: NDArray[Any], stored_states: Mapping[str, TargetState]) -> NDArray[Any]:
        """Return values in the form of those of the run that is resumed, as of `Target.like`."""
        fields = {
            name: one.like(self.values(y, name), stored_states[name])
            if stored_states.get(name, {}).get("target") == one.named()
            else self.values(y, name)
            for name, one in self.by_output.items()
        }
        return next(iter(fields.values())) if self.is_single else joined(fields)

    def strata(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return the stratum (rows,) of each row."""
        return self.of_main.strata(self.values(y, self.main))

    def present_mask(self, y: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return which rows (rows,) have a target for any output; None if all have one."""
        by_output = [one.present_mask(self.values(y, name)) for name, one in self.by_output.items()]
        masks = [one for one in by_output if one is not None]
        # If an output lacks no value, every row has a target.
        return np.logical_or.reduce(masks) if len(masks) == len(by_output) else None

    def units(self, states: Mapping[str, TargetState]) -> dict[str, NDArray[np.float64]]:
        """Return the units of the outputs of each output layer."""
        return {name: one.units(states[name]) for name, one in self.by_output.items()}

    def decode(
        self, predicted: Mapping[str, NDArray[Any]], states: Mapping[str, TargetState]
    ) -> dict[str, NDArray[Any]]:
        """Return predictions of outputs by name as the user has values."""
        return {name: self.by_output[name].decode(values, states[name]) for name, values in predicted.items()}

    def keywords(self, states: Mapping[str, TargetState]) -> dict[str, Any]:
        """Return the keywords by which an augmentation learns of the target."""
        # Of several outputs each has a number of classes of its own.
        return self.of_main.keywords(states[self.main]) if self.is_single else {}

    def encoded_form(self, states: Mapping[str, TargetState]) -> str:
        """Return what encoded values are, in words for errors."""
        forms = [one.encoded_form(states[name]) for name, one in self.by_output.items()]
        if self.is_single:
            return forms[0]
        return "a structured array of " + "; ".join(
            f"{n!r}: {form}" for n, form in zip(self.by_output, forms, strict=True)
        )

    def is_encoded(self, y: NDArray[Any], states: Mapping[str, TargetState]) -> bool:
        """Return whether values that an augmentation returns have the form of encoded ones."""
        if not self.is_single and y.dtype.names != tuple(self.by_output):
            return False
        return all(one.is_encoded(self.values(y, name), states[name]) for name, one in self.by_output.items())


def misnamed(value: Any, names: Iterable[str], kind: str = "output") -> str:
    """Return why a value is no mapping with these keys, of a kind; an empty string if it is one.

    Parameters
    ----------
    value : object
    names : iterable of str
        The keys that it must have, and no others.
    kind : str
        What the keys name, in the message.
    """
    if not isinstance(value, Mapping):
        return f"got {type(value).__name__}"
    missing = [f"{name!r} is missing" for name in names if name not in value]
    unknown = [f"there is no {kind} {name!r}" for name in value if name not in names]
    return next(iter([*missing, *unknown]), "")
