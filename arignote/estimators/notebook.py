"""Representation of estimators in notebooks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sklearn import get_config

from arignote.errors import ConfigError
from arignote.estimators.views import NetworkViews

if TYPE_CHECKING:
    from arignote.layers.architecture import Architecture
    from arignote.layers.base import Layer

__all__ = ["NotebookView"]


class NotebookView(NetworkViews):
    """Base class of estimators: layers, settings and where the run is, in place of the diagram of scikit-learn."""

    name: str | None
    checkpoint: str | None

    def _repr_html_inner(self) -> str:
        from arignote.report.estimator_html import estimator_html

        state = getattr(self, "state_", None)
        return estimator_html(
            " ".join(filter(None, (type(self).__name__, self.name))),
            state,
            getattr(self, "checkpoint_", self.checkpoint),
            self._network_to_show(),
            # As they were given, those of `fit` as the run has them.
            ({} if state is None else _changed_in_fit(state.spec["fit"])) | _changed(self),
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Return the estimator as text and, unless scikit-learn is configured to show text, as HTML."""
        shown = {"text/plain": repr(self)}
        if get_config()["display"] == "diagram":
            shown["text/html"] = self._repr_html_inner()
        return shown

    def _network_to_show(self) -> Architecture | Sequence[Layer] | str:
        try:
            layers = self._layers()
        except ConfigError as error:
            return str(error)
        try:
            return self._architecture()
        except ValueError:
            # The shape of an example is not known, or does not fit.
            return layers


def _changed(estimator: Any) -> dict[str, Any]:
    """Return the arguments of the constructor that differ from their defaults, without layers and name."""
    signature = inspect.signature(type(estimator)).parameters
    given = {name: value for name, value in estimator.get_params(deep=False).items() if name not in ("layers", "name")}
    return {name: value for name, value in given.items() if _differs(value, signature[name].default)}


def _differs(value: Any, default: Any) -> bool:
    # Arrays are of another type than any default.
    return value is not default and (type(value) is not type(default) or value != default)


def _changed_in_fit(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run that differ from the defaults."""
    from arignote.spec.settings import completed_settings

    # A run has the number of its shards, and the losses that follow from its output layers.
    defaults = completed_settings({}) | {"shards": 1}
    names = defaults.keys() & settings.keys() - {"train_loss", "valid_loss", "test_loss"}
    return {name: settings[name] for name in defaults if name in names and settings[name] != defaults[name]}
