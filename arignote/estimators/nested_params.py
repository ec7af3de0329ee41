"""Parameters of an estimator by paths: of layers, rules, augmentations and all else that is declared as parts."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator

from arignote.errors import ConfigError

__all__ = ["NestedParams"]


class NestedParams(BaseEstimator):  # type: ignore[misc]
    """Base class of estimators: parameters by name, and by paths such as ``fc1__n_units`` and ``lr_rule__interval``."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor, and those of all parts that they declare.

        Parameters
        ----------
        deep : bool, default True
            Whether parameters of parts are included, by paths: ``fc1`` is the layer of this name, ``fc1__n_units`` its
            parameter, with those of `layer_defaults` and defaults; ``lr_rule__initial_value``,
            ``augmentation__0__max_shift``, ``block1__layers__conv1__stride``.

        Returns
        -------
        dict of str to object
            Names and paths, with their values.
        """
        from arignote.estimators.param_paths import params_of_parts

        params: dict[str, Any] = super().get_params(deep)
        return params | params_of_parts(super().get_params(deep=False)) if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, by name or by path.

        Parameters
        ----------
        **params : object
            Values by the names and paths of `get_params`. A list that was given is not changed: the estimator has a
            new one. Whole lists are set before layers, and layers before their parameters.

        Returns
        -------
        Self
            The estimator.

        Raises
        ------
        ConfigError
            If there is no such parameter, or if the first word of a path is a layer and an argument too; nothing is
            set then. Values are validated by `fit`.

        Examples
        --------
        >>> from arignote import NNClassifier
        >>> layers = [["FCLayer", {"n_units": 16}], ["ClassificationOutputLayer"]]
        >>> NNClassifier(layers).set_params(fc1__n_units=64, sgd_type="adam", sgd_type__beta1=0.8).sgd_type
        ['adam', {'beta1': 0.8}]
        """
        from arignote.estimators.param_paths import places_of_path
        from arignote.spec.paths import replaced_at

        plain = super().get_params(deep=False)
        values = plain | {name: value for name, value in params.items() if name in plain}
        # Outer paths first: "lr_rule__interval" belongs to an "lr_rule" that is set in the same call.
        for key in sorted(params.keys() - plain.keys(), key=lambda key: key.count("__")):
            steps = places_of_path(key, params[key], values)
            place, word = steps[-1]
            # What is set to what it is stays in the form in which it was given.
            if place.child(word).value is params[key]:
                continue
            try:
                values[steps[0][1]] = replaced_at(steps[1:], params[key])
            except ConfigError as error:
                # Layers that are given as objects are validated at once.
                raise ConfigError(f"set_params: {key}: {error}") from None
        for name, value in values.items():
            setattr(self, name, value)
        return self
