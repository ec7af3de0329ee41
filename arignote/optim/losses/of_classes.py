"""Losses of classes: one of several per row. Outputs are logits, whose softmax p are the probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from arignote.errors import Complaint, ConfigError, DataError
from arignote.optim.losses.base import Loss
from arignote.registry import Count, Positive, Probability, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NLL", "Brier", "Error", "Hinge", "RankError", "TopKError"]


@register("cross_entropy", name="nll")
class NLL(Loss):
    """Negative log-likelihood of the true class, or cross-entropy: ``loss_i = -log p_i[y_i]``.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default 0.0
        Share of the true class that is spread evenly over all classes (Szegedy et al., CVPR 2016).

    Notes
    -----
    If `y` are shares of the classes, ``loss_i = -sum_c y_i[c] * log p_i[c]``. With an `OrdinalOutputLayer` this is the
    loss of the cumulative link model.

    Examples
    --------
    >>> import torch
    >>> NLL().build()(torch.tensor([[2.0, 2.0]]), torch.tensor([1]))
    tensor([0.6931])
    """

    targets: ClassVar[tuple[str, ...]] = ("classes", "ranks")
    differentiable: ClassVar[bool] = True
    label_smoothing: Probability = 0.0

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import cross_entropy

        return lambda logits, y: cross_entropy(logits, y, reduction="none", label_smoothing=self.label_smoothing)

    def mean(self) -> Callable[..., Tensor]:
        from torch.nn.functional import cross_entropy

        weighted = super().mean()

        def mean(logits: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
            # The engine's own mean is one pass over the rows.
            if weights is None and logits.ndim == 2:
                return cross_entropy(logits, y, label_smoothing=self.label_smoothing)
            return weighted(logits, y, weights)

        return mean


@register(name="error")
class Error(Loss):
    """Classification error, in [0, 1]: ``loss_i = [argmax_c p_i[c] != y_i]``.

    Notes
    -----
    It is 1 - accuracy, so that the smaller value is the better one. It has no gradient.

    Examples
    --------
    >>> import torch
    >>> Error().build()(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor([0., 1.])
    """

    targets: ClassVar[tuple[str, ...]] = ("classes", "ranks")

    def build(self) -> Callable[..., Tensor]:
        return lambda logits, y: (logits.argmax(1) != y).float()


@register(name="top_k_error")
class TopKError(Loss):
    """Share of the rows whose true class is not among the k most probable: ``loss_i = [rank of y_i in p_i > k]``.

    Parameters
    ----------
    k : int >= 1, default 5
        Number of classes, fewer than all of them.

    Notes
    -----
    Of equally probable classes the first ones count as the more probable, as in `predict`. It has no gradient.

    Examples
    --------
    >>> import torch
    >>> TopKError(k=2).build()(torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), torch.tensor([1, 2]))
    tensor([0., 1.])
    """

    targets: ClassVar[tuple[str, ...]] = ("classes", "ranks")
    k: Count = 5

    def check(self, n_outputs: int) -> None:
        if self.k >= n_outputs:
            message = f"k must be below the number of classes, {n_outputs}; got {self.k}"
            raise ConfigError(Complaint(("k",), message))

    def build(self) -> Callable[..., Tensor]:
        from torch import arange

        def loss_of_rows(logits: Tensor, y: Tensor) -> Tensor:
            of_label = logits.gather(1, y[:, None])
            is_before = arange(logits.shape[1], device=y.device) < y[:, None]
            n_better = ((logits > of_label) | ((logits == of_label) & is_before)).sum(1)
            # A comparison with NaN is never true.
            return ((n_better >= self.k) | of_label[:, 0].isnan()).float()

        return loss_of_rows


@register(name="hinge")
class Hinge(Loss):
    """Hinge of the margin over the best other class: ``loss_i = max(0, margin - z_i[y_i] + max_c z_i[c])``.

    Parameters
    ----------
    margin : float > 0, default 1.0
        Difference of logits from which on a row costs nothing.

    Notes
    -----
    z are the logits; the inner maximum is over all classes but y_i (Crammer and Singer, JMLR 2001). With
    ``n_classes=1`` it is the binary hinge, ``max(0, margin - z)`` for the second class, ``max(0, margin + z)`` for the
    first.

    Examples
    --------
    >>> import torch
    >>> Hinge().build()(torch.tensor([[0.5, 0.0], [3.0, 0.0]]), torch.tensor([0, 0]))
    tensor([0.5000, 0.0000])
    """

    differentiable: ClassVar[bool] = True
    margin: Positive = 1.0

    def build(self) -> Callable[..., Tensor]:
        def loss_of_rows(logits: Tensor, y: Tensor) -> Tensor:
            if y.ndim == 2:
                raise DataError("the loss 'hinge' needs one class per row; augmentation made shares: leave Mixup out")
            own = logits.gather(1, y[:, None])
            # The true class can never be the largest of the others.
            others = logits.scatter(1, y[:, None], float("-inf")).amax(1)
            return (self.margin - own[:, 0] + others).clamp(min=0)

        return loss_of_rows


@register(name="brier")
class Brier(Loss):
    """Squared error of the probabilities: ``loss_i = sum_c (p_i[c] - [c = y_i])^2``, in [0, 2].

    Notes
    -----
    The score of Brier (Monthly Weather Review, 1950). If `y` are shares of the classes, they are in the place of
    ``[c = y_i]``.

    Examples
    --------
    >>> import torch
    >>> Brier().build()(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([0.5000])
    """

    targets: ClassVar[tuple[str, ...]] = ("classes", "ranks")
    differentiable: ClassVar[bool] = True

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import one_hot

        def loss_of_rows(logits: Tensor, y: Tensor) -> Tensor:
            # Mixup has made shares of the classes already.
            shares = one_hot(y, logits.shape[1]) if y.ndim == 1 else y
            return (logits.softmax(1) - shares).square().sum(1)

        return loss_of_rows


@register(name="rank_error")
class RankError(Loss):
    """Mean distance in ranks between the most probable rank and the true one: ``loss_i = |argmax_c p_i[c] - y_i|``.

    Notes
    -----
    It has no gradient.

    Examples
    --------
    >>> import torch
    >>> RankError().build()(torch.tensor([[0.0, 1.0, 5.0]]), torch.tensor([0]))
    tensor([2.])
    """

    targets: ClassVar[tuple[str, ...]] = ("ranks",)

    def build(self) -> Callable[..., Tensor]:
        return lambda logits, y: (logits.argmax(1) - y).abs().float()
