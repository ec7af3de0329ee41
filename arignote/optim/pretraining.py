"""Unsupervised pretraining: how it is declared."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from arignote.optim.rules import Rule, rule_of_number
from arignote.optim.updaters import Updater
from arignote.registry import Count, Part, PartField, Probability, as_tuple, register

__all__ = ["Pretraining", "PretrainingField"]


@register(name="pretraining")
class Pretraining(Part):
    """Dense layers learn to reconstruct their input, one after the other: ``loss = cost(g(f(x')), x)``.

    Parameters
    ----------
    n_epochs : int >= 1, default 10
        Epochs of each layer.
    corruption_level : float in [0, 1), default 0.2
        Probability that a value of the input is set to 0; a `DenoisingAutoEncoderLayer` has its own.
    cost : "squared" or "cross_entropy", default "squared"
        As of the loss "reconstruction"; the cross-entropy is for inputs in [0, 1], as of sigmoid layers.
    layers : list of str, optional
        Names of the layers; by default all of the types FCLayer, LCLayer and DenoisingAutoEncoderLayer.
    sgd_type : str or [Name, {params}], optional
        Updater; by default that of the fit.
    lr_rule : number, str or [Name, {params}], optional
        Rule of the learning rate; by default that of the fit, unless `sgd_type` is set.

    Notes
    -----
    Bengio et al., "Greedy layer-wise training of deep networks", NIPS 2006; Vincent et al., ICML 2008. f is the layer,
    g has its transposed weights, x' is x with values set to 0 at random. Layers that are pretrained already are fixed.

    Examples
    --------
    >>> Pretraining(n_epochs=5, cost="cross_entropy").corruption_level
    0.2
    """

    kind: ClassVar[str] = "pretraining"
    n_epochs: Count = 10
    corruption_level: Probability = 0.2
    cost: Literal["squared", "cross_entropy"] = "squared"
    layers: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)] | None = None
    sgd_type: Annotated[Updater | None, PartField("updater")] = None
    lr_rule: Annotated[Rule | None, PartField("rule", rule_of_number, shorthand_schema={"type": "number"})] = None


PretrainingField = Annotated[Pretraining | None, PartField("pretraining", is_alone=True)]
