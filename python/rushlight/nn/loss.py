"""Losses as modules.

`reduction` says what becomes of the losses of the elements: "mean", "sum", or "none" to return them as they
are. The older arguments `size_average` and `reduce` are accepted with a warning.
"""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from ._loss_functions import reduction_of
from .module import Module


class _Loss(Module):
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Cross entropy between logits and targets, which are class indices or class probabilities.

    Args:
        weight: one factor a class.
        ignore_index: class index whose samples count for nothing.
        reduction: "mean" (weighted, over samples that are not ignored), "sum" or "none".
        label_smoothing: share of the target spread evenly over all classes, 0 to 1.

    Shapes:
        input ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``; target without C for indices, like input for
        probabilities.

    Raises:
        RuntimeError, IndexError, ValueError: shapes, dtypes or class indices do not fit; see `nn.functional`.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """Negative log likelihood of class indices, given log probabilities (as of `LogSoftmax`).

    Args:
        weight: one factor a class.
        ignore_index: class index whose samples count for nothing.
        reduction: "mean" (weighted), "sum" or "none".

    Shapes:
        input ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``; target the same without C.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """`(input - target)^2`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """`|input - target|`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """`0.5 * d^2 / beta` where `d = |input - target|` is less than `beta`, `d - 0.5 * beta` elsewhere."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """`0.5 * d^2` where `d = |input - target|` is at most `delta`, `delta * (d - 0.5 * delta)` elsewhere."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(_WeightedLoss):
    """`-(t * log(p) + (1 - t) * log(1 - p))` for probabilities p and targets t; the logarithms stop at -100.

    Raises:
        ValueError: shapes of input and target differ.
        RuntimeError: an input is not within [0, 1].
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of `sigmoid(input)`, computed without overflow.

    Args:
        weight: factors broadcast over the losses.
        pos_weight: factors of the positive part, one a class.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: shapes of input and target differ.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """`target * (log(target) - input)` for log probabilities `input`; also "batchmean" as `reduction`.

    Args:
        reduction: "mean" (over all elements), "batchmean" (the divergence proper), "sum" or "none".
        log_target: whether targets are log probabilities too.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
