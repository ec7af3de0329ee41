"""What `help`, `signature` and `dir` show of estimators: docstrings and signatures with every setting."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable, Collection
from typing import Any, TypeVar

__all__ = ["PublicDir", "document_passes", "setting_names", "signature_with_settings", "with_settings"]

F = TypeVar("F", bound=Callable[..., Any])

# Entries of the docstrings of estimators.
_CONSTRUCTOR = """
    layers : list of [Layer, {params}], or str
        The network, or the path of a YAML or JSON file that holds it.
    name : str, optional
        Name of the run.
    rng, random_state : int, optional
        Seed; if both are None, one is drawn. The value of `random_state` is used if both are given.
    n_in : int or tuple of int, or dict of these, optional
        Shape of an example, of several inputs by channel; by default that of the data.
    stored_network : str, optional
        From which layers with `load_params` take their parameters: a run, whose stem means its last state, one of its
        files, a checkpoint of 2015, or a safetensors file.
    layer_defaults : dict, optional
        Parameters for every layer that has them and does not set them.
    warm_start : bool, default False
        Whether `fit` trains the network of the last fit further, up to `n_epochs` in all, also with other settings and
        other data of the same classes. With a `checkpoint`, its run is resumed instead, which may not change.
    valid, test : float, optional
        Fractions of all rows held out; `valid` may be a splitter too, such as ``ShuffleSplit(1)``.
    """
_FITTED = """
    history_ : list of dict
        One record per validation; ``history_[:, "valid_nll"]`` is a column, `history_frame` a table of pandas.
    network_ : torch.nn.Module
        The best network; the last one with ``restore_best=False`` or after ``final_epochs``.
    state_ : TrainingState
        The last state.
    status_ : str
        How the last fit started: "starts", or where the run was resumed, or that it had finished.
    n_epochs_ : int
        Number of complete epochs.
    best_ : dict or None
        Keys `value`, `epoch` and `examples_seen` of the best validation.
    n_features_in_ : int
        Number of values in an example.
    feature_names_in_ : array (n_features,) of str
        Names of the columns; defined only if X was a DataFrame.
    checkpoint_ : str or None
        Stem of the files of the run.
    interrupted_ : bool
        Whether the last fit was stopped, for example by Ctrl-C, before its last epoch.
    """
_PASSES = """
    A pass is an epoch: rules, `n_epochs_` and `history_` count it, and the order of its rows follows from the seed and
    its number, so that pickling between passes, or loading the checkpoint, changes no bit. It begins with `network_`;
    after a `fit` whose best network is not the last one, the slots of the updater begin with 0. What is learned of the
    data (labels, the spread of numbers, preprocessing) is that of the first pass, or of `fit`.

    `n_epochs`, `final_epochs`, `stop_rule` and `restore_best` have no effect. `valid` and `test` must be data of their
    own, which are scored after each pass. With `checkpoint` the state is saved after each pass, and during long ones. A
    pass that was interrupted is resumed by the next call with the same data, also after `load`.
    """


class _Documentation:
    """A docstring whose ``{constructor}``, ``{settings}`` and ``{fitted}`` are replaced when it is read."""

    def __init__(self, text: str):
        self._text = inspect.cleandoc(text)

    def __get__(self, instance: Any, cls: type | None = None) -> str:
        text = self._text.replace("{constructor}", inspect.cleandoc(_CONSTRUCTOR))
        text = text.replace("{fitted}", inspect.cleandoc(_FITTED))
        if "{settings}" in text:
            # With all parts, settings take longer to import than the estimator.
            from arignote.spec.parameter_docs import fit_parameters

            text = text.replace("{settings}", fit_parameters())
        return f"{text}\n"


def document_passes(method: F) -> F:
    """Put what is the same for all estimators in the place of ``{passes}`` in the docstring of `partial_fit`."""
    text = inspect.cleandoc(method.__doc__ or "").replace("{passes}", inspect.cleandoc(_PASSES))
    method.__doc__ = f"{text}\n"
    return method


class _Signature:
    """What `inspect` unwraps a function to: the same function, with every setting in the place of ``**settings``."""

    def __init__(self, function: Callable[..., Any]):
        self.__wrapped__ = function

    @property
    def __signature__(self) -> inspect.Signature:
        return signature_with_settings(self.__wrapped__)


def with_settings(function: F) -> F:
    """Give a wrapper of a function that ends in ``**settings`` the signature with every setting, once it is read."""
    function.__wrapped__ = _Signature(inspect.unwrap(function))  # type: ignore[attr-defined]
    return function


def signature_with_settings(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function that ends in ``**settings``, with every setting in it."""
    from arignote.spec.settings import FitSettings

    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    fields = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in FitSettings.model_fields.items()
    ]
    return signature.replace(parameters=[*own, *fields])


def setting_names() -> Collection[str]:
    """Return the names of all settings."""
    from arignote.spec.settings import FitSettings

    return FitSettings.model_fields.keys()


class PublicDir(ABCMeta):
    """Metaclass of estimators: what `help` and `dir` show of them.

    Docstrings are completed once they are read, and `dir` has public names only: the methods by which scikit-learn
    routes metadata (`set_fit_request` and so on) exist, but would take a screen of `help`. Derived from ABCMeta, so
    that an estimator may have an abstract base too.
    """

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        if text := namespace.get("__doc__"):
            # Only when it is read are the settings imported, which the docstring lists.
            namespace["__doc__"] = _Documentation(text)
        return super().__new__(mcls, name, bases, namespace, **kwargs)

    # `pydoc` takes what is in the dict of a class as it is, unless the metaclass has a property.
    @property
    def __doc__(cls) -> str | None:
        own: _Documentation | None = cls.__dict__["__doc__"]
        return None if own is None else own.__get__(None, cls)

    @__doc__.setter
    def __doc__(cls, text: str | None) -> None:
        # Of `type` itself, as assigning `cls.__doc__` would call this setter again.
        type.__dict__["__doc__"].__set__(cls, text and _Documentation(text))

    def __dir__(cls) -> list[str]:
        # scikit-learn adds `set_fit_request` and the like to every estimator, for metadata routing.
        return [n for n in super().__dir__() if n == "__init__" or not (n.startswith("__") or n.endswith("_request"))]
