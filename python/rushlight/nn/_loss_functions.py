"""Element-wise losses as PyTorch offers them; `nn.functional` re-exports them.

Arguments common to all: `reduction` is "mean", "sum" or "none"; `size_average` and `reduce` are older names
for the same, accepted with a warning. Shapes that are not equal broadcast, with a warning: mostly it is a
mistake.
"""

from __future__ import annotations

import warnings

from .. import _core
from .._core import Tensor, ops


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction asked for, also by the two arguments it replaced."""
    if size_average is None and reduce is None:
        return reduction
    chosen = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{chosen}' instead.",
        stacklevel=4,
    )
    return chosen


def _warn_if_shapes_differ(input: Tensor, target: Tensor) -> None:
    if tuple(target.shape) != tuple(input.shape):
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`(input - target)^2`.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: another reduction.
    """
    _warn_if_shapes_differ(input, target)
    return ops.mse_loss(input, target, reduction=reduction_of(size_average, reduce, reduction))


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`|input - target|`.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: another reduction.
    """
    _warn_if_shapes_differ(input, target)
    return ops.l1_loss(input, target, reduction=reduction_of(size_average, reduce, reduction))


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """`0.5 * d^2 / beta` where `d = |input - target|` is less than `beta`, `d - 0.5 * beta` elsewhere.

    Raises:
        RuntimeError: the shapes do not broadcast, or `beta` is negative.
        ValueError: another reduction.
    """
    _warn_if_shapes_differ(input, target)
    return ops.smooth_l1_loss(
        input, target, reduction=reduction_of(size_average, reduce, reduction), beta=beta
    )


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """`0.5 * d^2` where `d = |input - target|` is at most `delta`, `delta * (d - 0.5 * delta)` elsewhere.

    Raises:
        RuntimeError: the shapes do not broadcast, or `delta` is not positive.
        ValueError: another reduction.
    """
    _warn_if_shapes_differ(input, target)
    return ops.huber_loss(input, target, reduction=reduction, delta=delta)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """`target * (log(target) - input)` for log probabilities `input`, 0 where the target is 0.

    Args:
        reduction: "mean" (over all elements), "batchmean" (the divergence proper), "sum" or "none".
        log_target: whether targets are log probabilities too.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: another reduction.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction not in ("mean", "batchmean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    input, target = _core._autocast(input, lower=False), _core._autocast(target, lower=False)
    if log_target:
        loss = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        log = ops.log(ops.where(positive, target, 1.0))
        loss = target * log - target * input
    if reduction == "none":
        return loss
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
        return loss.mean()
    total = loss.sum()
    return total / input.shape[0] if reduction == "batchmean" and input.dim() else total
