"""Which layers `pretrain` trains, and the network that trains each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from arignote.errors import Complaint, available_names
from arignote.layers.activations import Sigmoid
from arignote.layers.alone import ActivationLayer
from arignote.layers.autoencoder import AutoEncoderOutputLayer
from arignote.layers.base import Layer, ParametricLayer, WeightedLayer
from arignote.layers.dense import DenoisingAutoEncoderLayer, FCLayer
from arignote.layers.inputs import NetworkInput
from arignote.layers.loading import StoredTensor
from arignote.layers.merge import MergeLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer
from arignote.layers.output import OutputLayer
from arignote.layers.segments import LCLayer
from arignote.optim.pretraining import Pretraining
from arignote.registry import is_custom, part_name
from arignote.spec.settings import FitSettings

__all__ = ["autoencoder_of", "complaints_of_pretraining", "loaded_layers", "names_of_pretrained"]

_TYPES = (FCLayer, LCLayer, DenoisingAutoEncoderLayer)
# Not in front of an autoencoder, which has noise of its own.
_NOISE = (DropoutLayer, GaussianNoiseLayer)


def names_of_pretrained(layers: Sequence[Layer], pretraining: Pretraining) -> list[str]:
    """Return the names of the layers that are pretrained, in their order."""
    named = pretraining.layers
    return [str(one.name) for one in layers if isinstance(one, _TYPES) and (named is None or one.name in named)]


def complaints_of_pretraining(layers: Sequence[Layer], settings: FitSettings) -> list[Complaint]:
    """Return what is wrong with the layers that are to be pretrained, or with those before them."""
    if settings.pretrain is None:
        return []
    path = ("fit", "pretrain", "layers")
    of_types = [str(one.name) for one in layers if isinstance(one, _TYPES)]
    if unknown := [name for name in settings.pretrain.layers or () if name not in of_types]:
        hint = available_names(unknown[0], of_types)
        return [
            Complaint(
                path, f"pretrain: there is no FCLayer, LCLayer or DenoisingAutoEncoderLayer {unknown[0]!r}. {hint}"
            )
        ]
    chosen = names_of_pretrained(layers, settings.pretrain)
    if not chosen:
        return [
            Complaint(path, "pretrain: the network has no FCLayer, LCLayer or DenoisingAutoEncoderLayer to pretrain")
        ]
    up_to_last = layers[: 1 + max(n for n, one in enumerate(layers) if one.name in chosen)]
    complaints = []
    for number, one in enumerate(up_to_last):
        message = _misfit(one, chosen, is_first=number == 0)
        if message is None and settings.pretrain.cost == "cross_entropy" and one.name in chosen:
            message = _out_of_bounds(up_to_last[:number])
        if message is not None:
            complaints.append(Complaint((), f"pretrain: {message}", layer=str(one.name)))
    return complaints


def _out_of_bounds(before: Sequence[Layer]) -> str | None:
    """Return why what layers give is not known to be in [0, 1], as a cross-entropy needs."""
    activations = [layer.activation for layer in before if hasattr(layer, "activation")]
    # What the data holds, and what an activation of the user returns, is not known here.
    if not activations or isinstance(activations[-1], Sigmoid) or is_custom(activations[-1]):
        return None
    return (
        f"the cost cross_entropy needs an input in [0, 1]; the activation before is {part_name(activations[-1])}: "
        "write cost: squared, or activation: sigmoid"
    )


def _misfit(layer: Layer, chosen: Sequence[str], *, is_first: bool) -> str | None:
    """Return why a layer cannot be pretrained, or cannot stand before one that is."""
    last, name = chosen[-1], str(layer.name)
    is_input = isinstance(layer, NetworkInput)
    if layer.input is not None or isinstance(layer, MergeLayer | OutputLayer) or (is_input and not is_first):
        return f"the layers up to {last!r} must follow one another, without branches"
    if name not in chosen:
        if not isinstance(layer, ParametricLayer) or isinstance(layer, ActivationLayer):
            return None
        return (
            f"{last!r} comes after it, and its parameters are not pretrained: name only layers before it, "
            "pretrain: {layers: [...]}"
        )
    assert isinstance(layer, WeightedLayer)
    if layer.share is not None:
        return f"it uses the parameters of {layer.share!r}: name the layers to pretrain, pretrain: {{layers: [...]}}"
    if layer.load_params is not None and layer.load_params != _entries(layer):
        return "it has load_params, which gives it other parameters: leave one of the two out"
    return None


def _entries(layer: Layer) -> dict[str, StoredTensor]:
    """Return the entry of each parameter of a layer in the run that pretrained it."""
    # The names do not depend on the number of inputs; each segment needs one.
    params = layer.declare_params((getattr(layer, "n_segments", 1),))
    return {name: StoredTensor(f"{layer.name}.{name}") for name in params}


def loaded_layers(layers: Iterable[Layer], names: Sequence[str], **more: object) -> list[Layer]:
    """Return layers, of which those that are named load their pretrained parameters, with `more` fields changed."""
    return [
        one.model_copy(update={"load_params": _entries(one), **more}) if one.name in names else one for one in layers
    ]


def autoencoder_of(layers: Sequence[Layer], name: str, pretraining: Pretraining) -> list[Layer]:
    """Return the network that pretrains a layer: the layers before it, those pretrained fixed, and an autoencoder.

    Parameters
    ----------
    layers : list of Layer
        Of the network.
    name : str
        Name of the layer that is pretrained.
    pretraining : Pretraining
        The setting.
    """
    at = next(n for n, one in enumerate(layers) if one.name == name)
    before = [one for one in layers[:at] if not isinstance(one, _NOISE)]
    layer, fields = layers[at], AutoEncoderOutputLayer.model_fields.keys() & type(layers[at]).model_fields.keys()
    # These say how the network trains the layer; an autoencoder trains all parameters of its own.
    left_out = {"fix_params", "thaw_at", "load_params", "share"}
    params = {"corruption_level": pretraining.corruption_level} | {
        key: getattr(layer, key) for key in fields - left_out
    }
    pretrained = names_of_pretrained(before, pretraining)
    return [*loaded_layers(before, pretrained, fix_params=True, thaw_at=None), AutoEncoderOutputLayer(**params)]
