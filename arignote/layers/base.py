"""Base classes of layers, which declare their output shape and their parameters without the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.initializers import BiasSpec, Initializer, InitializerSpec
from arignote.layers.loading import LoadParams
from arignote.registry import ADDED, Count, NonNegative, Part, Positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "OF_OWNER",
    "ExampleShape",
    "Forward",
    "Layer",
    "Name",
    "Param",
    "ParametricLayer",
    "Shape",
    "ShapeError",
    "WeightedLayer",
]

Shape = tuple[int, ...]
# Shape of one example: of a network of several inputs that of each channel.
ExampleShape = Shape | Mapping[str, Shape]
# ``f(params, x, training) -> x`` on tensors; `x` is a list for a layer of several inputs.
Forward = Callable[[Mapping[str, "Tensor"], Any, bool], "Tensor"]
Name = Annotated[str, Field(pattern=r"^[^./\\\s][^./\\]*$")]


class ShapeError(ValueError):
    """The input shape of a layer does not fit."""


@dataclass(frozen=True)
class Param:
    """One parameter tensor of a layer.

    Attributes
    ----------
    shape : tuple of int
        Shape of the tensor.
    initial : Initializer
        Initial values.
    fan_in, fan_out : int
        Numbers of connections into and out of one unit.
    unit_axis : int or None
        Axis of the units, for weights; None for parameters without penalties (biases, slopes).
    trained : bool
        Whether the updater changes it; otherwise the layer does, such as a running mean.
    dtype : str
        Type of its values; parameters that are trained are "float32".
    """

    shape: Shape
    initial: Initializer
    fan_in: int = 1
    fan_out: int = 1
    unit_axis: int | None = None
    trained: bool = True
    dtype: str = "float32"


class Layer(Part):
    """Base class of layers.

    Parameters
    ----------
    name : str, optional
        Name of the layer; by default its kind and number: fc1, conv1, pool1 ...
    input : str, optional
        Name of an earlier layer whose output it takes; by default that of the layer before.
    """

    kind: ClassVar[str] = "layer"
    name_prefix: ClassVar[str] = "layer"
    # Parameters that may follow a rule while training, which are numbers. A forward function finds the current value in
    # `params`, under the name of the parameter; those of `WeightedLayer` are read by the update.
    ruled: ClassVar[tuple[str, ...]] = ()
    # Whether an output has the steps of a sequence that comes in, and whether the forward function of a layer takes
    # their lengths or mask, ``f(params, [x, steps], training)``, if the network has them.
    keeps_steps: ClassVar[bool] = False
    takes_steps: ClassVar[bool] = False
    # Whether the forward function draws random numbers, for which the generators are seeded before each step.
    draws: ClassVar[bool] = False
    name: Name | None = None
    # ADDED: at its default it changes no stem of a run in a folder; see `arignote.registry.marks`.
    input: Annotated[Name | None, ADDED] = None

    def output_shape(self, shape: Shape, /) -> Shape:
        """Return the shape of one example after the layer; raise ShapeError if `shape` does not fit."""
        return shape

    def declare_params(self, shape: Shape, /) -> dict[str, Param]:
        """Return the parameters by name, for an input of `shape`."""
        return {}

    def n_multiply_adds(self, shape: Shape, /) -> int:
        """Return the multiply-adds of products of matrices and of convolutions, forward, of one example."""
        # Each value of the weights (parameters with a `unit_axis`) counts once for each time that the units stand in
        # the output: once in a dense layer, once per pixel in a convolution.
        n_outputs = prod(self.output_shape(shape))
        weights = [(p.shape, p.unit_axis) for p in self.declare_params(shape).values() if p.unit_axis is not None]
        return sum(prod(of_weights) * max(n_outputs // of_weights[axis], 1) for of_weights, axis in weights)

    def notes(self, shape: Shape, /) -> list[str]:
        """Return remarks about this layer for this input shape, such as pixels that are left out."""
        return []

    @abstractmethod
    def build(self, shape: Shape, /) -> Forward:
        """Return ``f(params, x, training) -> x`` on engine tensors, `params` by name."""


class ParametricLayer(Layer):
    """Base class of layers with parameters.

    Parameters
    ----------
    fix_params : bool or list of str, default False
        True: no parameter is trained; a list, such as ["W"]: none whose name begins with one of these.
    thaw_at : int >= 1, optional
        Number of epochs after which what `fix_params` fixes is trained too, as in the schedule of a rule: 5 is from the
        sixth epoch on.
    load_params : bool, str or dict, optional
        What is loaded from `stored_network` at the start. True: the parameters of its layer of the same name; a string:
        those of its layer of that name; a mapping, such as {"W": "fc.weight", "b": "fc.bias"}: those that it names,
        from these entries of the file; {"name": "fc.weight", "transpose": True} in place of an entry transposes it.
    lr_factor : float > 0, default 1.0
        Factor of the learning rate of its parameters. It scales the steps of any updater, not the gradients.
    """

    ruled: ClassVar[tuple[str, ...]] = ("lr_factor",)
    fix_params: bool | list[str] = False
    thaw_at: Annotated[Count | None, ADDED] = None
    load_params: LoadParams = None
    lr_factor: Annotated[Positive, ADDED] = 1.0

    @model_validator(mode="after")
    def _thaws_what_is_fixed(self) -> Self:
        if self.thaw_at is not None and not self.fix_params:
            message = (
                "thaw_at is of parameters that are fixed until then: give fix_params too, true or names such as [W]"
            )
            raise ConfigError(Complaint(("thaw_at",), message))
        return self

    @property
    def thawed(self) -> Self:
        """The layer with no fixed parameters."""
        return self.model_copy(update={"fix_params": False, "thaw_at": None})

    def is_fixed(self, param: str) -> bool:
        """Return whether the parameter of this name is not trained, or not before `thaw_at`."""
        if isinstance(self.fix_params, bool):
            return self.fix_params
        return any(param.startswith(prefix) for prefix in self.fix_params)

    def notes_on_fixed(self, params: Iterable[str], /) -> list[str]:
        """Return a remark on each beginning of a name in `fix_params` with which none of the parameters begins."""
        prefixes = [] if isinstance(self.fix_params, bool) else self.fix_params
        idle = [prefix for prefix in prefixes if not any(param.startswith(prefix) for param in params)]
        return [f"fix_params: no parameter begins with {prefix!r}; there are {', '.join(params)}" for prefix in idle]


# Parameters of a layer that another one, which shares its weights, cannot have.
OF_OWNER = ("l1", "l2", "maxnorm", "nonnegative", "fix_params", "thaw_at", "load_params", "lr_factor", "W", "b")


class WeightedLayer(ParametricLayer):
    """Base class of layers with weights.

    Parameters
    ----------
    l1, l2 : float >= 0, default 0.0
        The cost grows by ``l1 * sum(|W|) + l2 * sum(W^2)``; weights only, never biases or slopes.
    maxnorm : float > 0, optional
        Largest Euclidean norm of the weights into one unit, kept after each update.
    nonnegative : bool, default False
        Whether weights below 0 become 0 after each update (Lee and Seung, Nature 1999); never biases or slopes.
    use_bias : bool, default True
        Whether a bias is added.
    W, b : number, str or [Name, {params}], optional
        Initial values; by default weights that suit the activation, and biases 0.
    share : str, optional
        Name of an earlier layer whose parameters are used, which is of the same type and has equal shapes.
    """

    ruled: ClassVar[tuple[str, ...]] = ("l1", "l2", "maxnorm", "lr_factor")
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0
    maxnorm: Positive | None = None
    nonnegative: Annotated[bool, ADDED] = False
    use_bias: bool = True
    W: InitializerSpec = None
    b: BiasSpec = None
    share: Annotated[Name | None, ADDED] = None

    @model_validator(mode="after")
    def _leaves_the_rest_to_the_owner(self) -> Self:
        if self.share is not None:
            of_owner = {name: getattr(self, name) for name in OF_OWNER}
            given = [name for name, value in of_owner.items() if value != type(self).model_fields[name].default]
            if given:
                message = f"{given[0]} is that of the layer {self.share!r}, whose parameters are shared: set it there"
                raise ConfigError(Complaint((given[0],), message))
        return self
