"""A network as a chain of modules of torch.nn, which a process without Arignote trains, stores and loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from arignote.engine.network import Network
from arignote.errors import ConfigError
from arignote.layers.architecture import Placed
from arignote.registry import part_name

__all__ = ["standard_modules"]

Params = Mapping[str, Tensor]


class _NotStandardError(Exception):
    """A layer has no module of torch.nn; the message is the reason."""


def standard_modules(network: Network) -> nn.Sequential:
    """Return the layers as modules of torch.nn by their names, in evaluation mode, with a copy of the parameters.

    It takes rows as the network does, preprocessed, and returns what the output layer does: of classes logits.

    Raises
    ------
    ConfigError
        If the network is no chain, or a layer has no such module; the message names all of them, with the reasons.
    """
    chain, reasons = nn.Sequential(), list[str]()
    for position, (place, (params, _)) in enumerate(network.placed()):
        try:
            modules = _modules_of(place, position, params)
        except _NotStandardError as error:
            reasons.append(f"{place.name} ({part_name(place.layer)}): {error}")
            continue
        chain.add_module(place.name, modules[0] if len(modules) == 1 else nn.Sequential(*modules))
    if reasons:
        message = ["the network is no chain of modules of torch.nn:", *reasons]
        raise ConfigError("\n  ".join([*message, "A .pt2 holds any network: export('model.pt2')"]))
    return chain.eval()


def _modules_of(place: Placed, position: int, params: Params) -> list[nn.Module]:
    if place.sources != ((position - 1,) if position else ()):
        raise _NotStandardError("follows other layers than the one before")
    if place.takes_list:
        raise _NotStandardError("takes several inputs")
    convert = _CONVERSIONS.get(part_name(place.layer))
    if convert is None:
        raise _NotStandardError("torch.nn has no module that computes the same from one tensor to one tensor")
    return convert(place, params)


def _filled(module: nn.Module, **tensors: Tensor) -> nn.Module:
    """Return a module with copies of these tensors, on the CPU."""
    module.load_state_dict(tensors)
    return module


def _linear(place: Placed, params: Params) -> list[nn.Module]:
    W, is_per_step = params["W"], getattr(place.layer, "per_step", False)
    biases = {"bias": params["b"]} if "b" in params else {}
    # W is (inputs, units), the weight of nn.Linear (units, inputs).
    module = _filled(_new(nn.Linear, *W.shape, bias=bool(biases)), weight=W.T, **biases)
    return [module] if len(place.input_shape) == 1 or is_per_step else [nn.Flatten(), module]


def _new(cls: Callable[..., nn.Module], *args: Any, **options: Any) -> nn.Module:
    """Return a module whose tensors are not drawn, as that would change the global generator of torch."""
    return torch.nn.utils.skip_init(cls, *args, **options)  # type: ignore[no-any-return, no-untyped-call]


def _dense(place: Placed, params: Params) -> list[nn.Module]:
    return [*_linear(place, params), *_activation(place, params)]


def _maxout(place: Placed, params: Params) -> list[nn.Module]:
    # (n, units * k) to (n, units, k), of which the largest of k values is left.
    largest = [nn.Unflatten(1, (-1, place.layer.maxout_k)), nn.AdaptiveMaxPool1d(1), nn.Flatten()]  # type: ignore[attr-defined]
    return [*_linear(place, params), *largest]


def _activation(place: Placed, params: Params) -> list[nn.Module]:
    activation = place.layer.activation  # type: ignore[attr-defined]
    name = part_name(activation)
    if name not in _ACTIVATIONS:
        raise _NotStandardError(f"torch.nn has no activation {name!r}")
    return _ACTIVATIONS[name](activation, params)


_ACTIVATIONS: dict[str, Callable[[Any, Params], list[nn.Module]]] = {
    "linear": lambda a, params: [],
    "relu": lambda a, params: [nn.ReLU()],
    "leaky_relu": lambda a, params: [nn.LeakyReLU(a.slope)],
    "prelu": lambda a, params: [_filled(nn.PReLU(len(params["a"])), weight=params["a"])],
    "tanh": lambda a, params: [nn.Tanh()],
    "sigmoid": lambda a, params: [nn.Sigmoid()],
    "softmax": lambda a, params: [nn.Softmax(1)],
    "elu": lambda a, params: [nn.ELU(a.alpha)],
    "selu": lambda a, params: [nn.SELU()],
    "softplus": lambda a, params: [nn.Softplus()],
    "gelu": lambda a, params: [nn.GELU()],
    "silu": lambda a, params: [nn.SiLU()],
}


def _convolution(place: Placed, params: Params) -> list[nn.Module]:
    layer: Any = place.layer
    n_axes = _n_axes(place)
    if layer.untie_biases:
        raise _NotStandardError("untie_biases: a convolution of torch.nn has one bias for each map")
    window, stride, zeros, dilation, n_groups = layer.geometry
    cls = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n_axes - 1]
    W, biases = params["W"], {"bias": params["b"]} if "b" in params else {}
    sizes = {"stride": stride, "padding": zeros, "dilation": dilation, "groups": n_groups}
    module = _new(cls, W.shape[1] * n_groups, W.shape[0], window, **sizes, bias=bool(biases))
    return [_filled(module, weight=W, **biases), *_activation(place, params)]


def _n_axes(place: Placed) -> int:
    """Return the number of axes of a map, for layers whose channels are the first axis of an example."""
    if getattr(place.layer, "axes", None) == "NLC":
        raise _NotStandardError("axes: NLC: torch.nn has the channels first")
    n_axes = len(place.input_shape) - 1
    if not 1 <= n_axes <= 3:
        raise _NotStandardError(f"takes examples {place.input_shape}, without channels")
    return n_axes


def _pool(*classes: Callable[..., nn.Module]) -> Callable[[Placed, Params], list[nn.Module]]:
    def convert(place: Placed, params: Params) -> list[nn.Module]:
        layer: Any = place.layer
        window, stride, zeros, *_ = layer.geometry
        more = {} if not hasattr(layer, "count_include_pad") else {"count_include_pad": layer.count_include_pad}
        cls = classes[_n_axes(place) - 1]
        return [cls(window, stride, zeros, ceil_mode=not layer.ignore_border, **more)]

    return convert


def _global_pool(*classes: Callable[..., nn.Module]) -> Callable[[Placed, Params], list[nn.Module]]:
    return lambda place, params: [classes[_n_axes(place) - 1](1), nn.Flatten()]


def _batch_norm(place: Placed, params: Params) -> list[nn.Module]:
    layer: Any = place.layer
    cls = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[len(place.input_shape) - 1]
    # alpha is what torch calls momentum: the share of the newest batch.
    module = cls(place.input_shape[0], layer.epsilon, layer.alpha)
    tensors = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}
    # load_state_dict needs each entry; Arignote has no counter of batches.
    n_batches = module.state_dict()["num_batches_tracked"]
    return [_filled(module, **{name: params[own] for name, own in tensors.items()}, num_batches_tracked=n_batches)]


def _dropout(place: Placed, params: Params) -> list[nn.Module]:
    layer: Any = place.layer
    if layer.per != "unit":
        raise _NotStandardError(f"per: {layer.per}: the modules of torch.nn that are nearest depend on the axes")
    return [nn.Dropout(layer.dropout_p)]


def _reshaped(place: Placed, params: Params) -> list[nn.Module]:
    shape = place.output_shape
    if shape == place.input_shape:
        return [nn.Identity()]
    return [nn.Flatten()] if len(shape) == 1 else [nn.Flatten(), nn.Unflatten(1, shape)]


def _embedding(place: Placed, params: Params) -> list[nn.Module]:
    return [_filled(_new(nn.Embedding, *params["W"].shape), weight=params["W"])]


def _own_module(place: Placed, params: Params) -> list[nn.Module]:
    layer: Any = place.layer
    if not layer.module.startswith("torch.nn:"):
        raise _NotStandardError(f"{layer.module} is no module of torch.nn")
    # There nothing is drawn, and nothing allocated.
    with torch.device("meta"):
        module = layer.new_module()
    return [_filled(module.to_empty(device="cpu"), **params)]


def _classes(place: Placed, params: Params) -> list[nn.Module]:
    if params["W"].shape[1] == 1:
        raise _NotStandardError("n_classes: 1: its second logit is 0")
    return _linear(place, params)


def _softmax_output(place: Placed, params: Params) -> list[nn.Module]:
    layer: Any = place.layer
    is_flat = len(place.input_shape) == 1
    bounds = [] if layer.clip is None else [nn.Hardtanh(*layer.clip)]
    return [*([] if is_flat else [nn.Flatten()]), *bounds] or [nn.Identity()]


_MAX_POOL = _pool(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOL = _pool(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_CONVERSIONS: dict[str, Callable[[Placed, Params], list[nn.Module]]] = {
    **dict.fromkeys(("InputLayer", "InputImageLayer", "FlattenLayer", "ReshapeLayer"), _reshaped),
    **dict.fromkeys(("FCLayer", "DenoisingAutoEncoderLayer"), _dense),
    "FCMaxoutLayer": _maxout,
    **dict.fromkeys(("ConvLayer", "Conv1DLayer", "Conv3DLayer"), _convolution),
    **dict.fromkeys(("MaxPool1DLayer", "MaxPool2DLayer", "MaxPool3DLayer"), _MAX_POOL),
    **dict.fromkeys(("AveragePool1DLayer", "AveragePool2DLayer"), _AVERAGE_POOL),
    "GlobalAveragePoolLayer": _global_pool(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    "GlobalMaxPoolLayer": _global_pool(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    "BatchNormLayer": _batch_norm,
    "DropoutLayer": _dropout,
    "ActivationLayer": lambda place, params: _activation(place, params) or [nn.Identity()],
    "EmbeddingLayer": _embedding,
    "TorchLayer": _own_module,
    "ClassificationOutputLayer": _classes,
    **dict.fromkeys(("MultilabelOutputLayer", "RegressionOutputLayer"), _linear),
    "SoftmaxOutputLayer": _softmax_output,
}
