"""Any module of the engine as a layer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from arignote.errors import Complaint, ConfigError, did_you_mean
from arignote.generators import GENERATORS, preserve_global_generators, seed_globals
from arignote.layers.base import Forward, Param, ParametricLayer, Shape, ShapeError
from arignote.layers.initializers import Initializer
from arignote.layers.loading import LoadParams
from arignote.registry import ADDED, check_trusted, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TorchLayer", "plain_attributes"]


@register()
class TorchLayer(ParametricLayer):
    """Any `torch.nn.Module` that takes one tensor and returns one: ``y = module(x)``.

    Parameters
    ----------
    module : str
        "module:Class", such as "torch.nn:Hardswish".
    params : dict, default {}
        Keyword arguments of its constructor, as plain data.

    Notes
    -----
    Its parameters are trained like those of other layers, without penalties; its buffers are kept in checkpoints, and
    what changes them outside training is not kept. With ``fix_params: true`` the module is in evaluation mode in
    training too, so that its buffers stay as they are; a list of beginnings of names fixes parameters alone.
    Initial values are those of its constructor, drawn from the stream of the layer. A module that keeps anything else
    from one call to the next is refused. From a checkpoint a class of another module than torch.nn is imported only if
    that module is trusted: ``NNClassifier.load(RUN, trust=[...])``.

    Examples
    --------
    >>> TorchLayer(module="torch.nn:Linear", params={"in_features": 8, "out_features": 3}).output_shape((8,))
    (3,)
    """

    name_prefix: ClassVar[str] = "torch"
    # A module may.
    draws: ClassVar[bool] = True
    # Other layers always had these two.
    fix_params: Annotated[bool | list[str], ADDED] = False
    load_params: Annotated[LoadParams, ADDED] = None
    module: str
    params: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_trusted(self) -> Self:
        if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", self.module):
            message = f"module must be 'module:Class', such as 'torch.nn:Hardswish'; got {self.module!r}"
            raise ConfigError(Complaint(("module",), message))
        if self._runs_code_of_user:
            check_trusted("module", self.module)
        return self

    @property
    def _runs_code_of_user(self) -> bool:
        """Whether the module is none of torch.nn."""
        return self.module.partition(":")[0] != "torch.nn"

    def new_module(self) -> Any:
        """Return a new module, in training mode.

        Raises
        ------
        ConfigError
            If it cannot be imported or built.
        """
        from torch import nn

        module, _, name = self.module.partition(":")
        try:
            imported = import_module(module)
        except ImportError as error:
            raise self._error(f"{error}. Is the folder of the module on PYTHONPATH?") from None
        cls = getattr(imported, name, None)
        if not (inspect.isclass(cls) and issubclass(cls, nn.Module)):
            classes = inspect.getmembers(imported, inspect.isclass)
            known = [key for key, value in classes if issubclass(value, nn.Module)]
            hint = f". {did_you_mean(name, known)}" if known else ""
            raise self._error(f"{module} has no torch.nn.Module {name!r}{hint}")
        try:
            return cls(**self.params)
        except Exception as error:
            raise self._error(f"{name}({self.params}) fails: {type(error).__name__}: {error}") from None

    def _error(self, message: str) -> ConfigError:
        return ConfigError(Complaint((), message, layer=self.name or "TorchLayer"))

    def _on_meta(self) -> Any:
        """Return a new module without memory; ConfigError if it has tensors that are not kept in checkpoints."""
        from torch import Tensor, device

        with device("meta"):
            # Arrays of NumPy become tensors with memory nevertheless.
            module = self.new_module().to("meta")
        for prefix, part in module.named_modules():
            for key, value in vars(part).items():
                # A hook before each call makes tensors from parameters, such as that of weight_norm.
                if isinstance(value, Tensor) and not part._forward_pre_hooks:
                    name = ".".join(filter(None, (prefix, key)))
                    raise self._error(
                        f"{type(module).__name__} has the tensor {name!r}, "
                        "which is neither a parameter nor a buffer: use register_buffer"
                    )
        return module

    def output_shape(self, shape: Shape) -> Shape:
        from torch import Tensor, empty, no_grad

        try:
            with no_grad():
                output = self._on_meta().eval()(empty((2, *shape), device="meta"))
        except ConfigError:
            raise
        except Exception as error:
            raise ShapeError(f"{self.module} cannot take {shape}: {error}") from None
        if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != 2:
            what = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise ShapeError(f"{self.module} must return one tensor (rows, ...) of as many rows; got {what} of 2 rows")
        return tuple(output.shape[1:])

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        from torch.nn.parameter import is_lazy

        module = self._on_meta()
        params = {}
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if is_lazy(tensor):
                raise self._error(
                    f"{self.module} finds the shape of {name!r} in its first batch; "
                    "a layer must know it before: use the module that takes its sizes as params"
                )
            trained = tensor.requires_grad
            dtype = str(tensor.dtype).removeprefix("torch.")
            params[name] = Param(tuple(tensor.shape), _OfModule(layer=self, tensor=name), trained=trained, dtype=dtype)
        return params

    def n_multiply_adds(self, shape: Shape) -> int:
        from torch import empty, no_grad
        from torch.utils.flop_counter import FlopCounterMode

        # What its weights are for is known to the module alone.
        with no_grad(), FlopCounterMode(display=False) as counter:
            self._on_meta().eval()(empty((1, *shape), device="meta"))
        return int(counter.get_total_flops()) // 2

    def build(self, shape: Shape) -> Forward:
        from torch import no_grad
        from torch.func import functional_call

        # Its own tensors have no memory; those of the network take their place during a call.
        module = self._on_meta()
        names = [name for name, _ in module.named_buffers()]
        may_train = self.fix_params is not True
        module.register_forward_hook(lambda module, inputs, y: (y, dict(module.named_buffers())))

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            training = training and may_train
            # A parameter in the place of a buffer would become a parameter of the module. A module may change its
            # buffers outside training too; these changes are lost, as validating and predicting change no network.
            tensors = {name: params[name].detach() if training else params[name].detach().clone() for name in names}
            outputs: tuple[Tensor, dict[str, Tensor]] = functional_call(
                module.train(training), {**params, **tensors}, (x,)
            )
            y, buffers = outputs
            for name, buffer in buffers.items():
                if training and buffer is not tensors[name]:
                    # It was replaced, not changed in place.
                    with no_grad():
                        params[name].copy_(buffer)
            return y

        # So that it can be asked whether the module keeps anything else.
        forward.module = module  # type: ignore[attr-defined]
        return forward


def plain_attributes(module: Any) -> dict[str, str]:
    """Return the numbers, texts and containers that a module and its modules have as attributes, as text.

    What is kept there from one call to the next is in no checkpoint.
    """
    return {
        f"{path}.{name}": repr(value)
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if not name.startswith("_") and name != "training" and isinstance(value, int | float | str | list | dict | set)
    }


class _OfModule(Initializer):
    """The values that the constructor of a module gives to one of its tensors."""

    layer: TorchLayer
    tensor: str

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        from torch import manual_seed
        from torch.random import fork_rng

        seed = int(rng.integers(2**63))
        with GENERATORS, preserve_global_generators(), fork_rng(devices=[]):
            seed_globals(seed)
            manual_seed(seed)
            module = self.layer.new_module()
        tensors = dict([*module.named_parameters(), *module.named_buffers()])
        values: NDArray[Any] = tensors[self.tensor].detach().numpy().copy()
        return values
