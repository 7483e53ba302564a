"""Functions of `nn`: the engine's operations, and those composed of them."""

from __future__ import annotations

import warnings
from typing import Any

from .. import _core
from .._core import Tensor, ops
from .._core.ops import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    batch_norm,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv1d,
    conv2d,
    conv_transpose2d,
    cross_entropy,
    embedding,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    layer_norm,
    leaky_relu,
    linear,
    logsigmoid,
    max_pool2d,
    mish,
    nll_loss,
    one_hot,
    pad,
    relu_,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from ._loss_functions import huber_loss, kl_div, l1_loss, mse_loss, smooth_l1_loss

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "embedding",
    "gelu",
    "glu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`max(0, x)`."""
    return ops.relu_(input) if inplace else ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`min(max(0, x), 6)`."""
    return ops.hardtanh(input, 0.0, 6.0, inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`x` where positive, `weight * x` elsewhere.

    Args:
        input: the channels are dimension 1.
        weight: one slope, or one a channel.

    Raises:
        RuntimeError: the number of slopes does not fit.
    """
    input, weight = _core._autocast(input, lower=True), _core._autocast(weight, lower=True)
    channels = input.shape[1] if input.dim() > 1 else 1
    if weight.dim() > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"prelu: weight must have 1 element or one a channel, got weight {tuple(weight.shape)}, "
            f"input {tuple(input.shape)}"
        )
    if weight.numel() > 1:
        weight = weight.view([-1 if d == 1 else 1 for d in range(input.dim())])
    return ops.where(input > 0, input, weight * input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    return ops.elu(input, alpha, inplace=inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`scale * elu(x, alpha)`, with alpha and scale chosen so that mean 0 and variance 1 are a fixed
    point.
    """
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return ops.elu(input, alpha, scale, inplace=inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.

    Raises:
        ValueError: `alpha` is zero.
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    return ops.elu(input, alpha, 1.0, 1.0 / alpha, inplace=inplace)


def softsign(input: Tensor) -> Tensor:
    """`x / (1 + |x|)`."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """`x - tanh(x)`."""
    return input - ops.tanh(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`x` where greater than `threshold`, `value` elsewhere."""
    below = input <= threshold
    return input.masked_fill_(below, value) if inplace else input.masked_fill(below, value)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """`a * sigmoid(b)` with the two halves a and b of the input along `dim`.

    Raises:
        RuntimeError: the size along `dim` is odd, or there are no dimensions.
    """
    if input.dim() == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    a, b = ops.chunk(input, 2, dim)
    return a * ops.sigmoid(b)


def _implicit_dim(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.dim() in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`exp(x) / sum(exp(x))` along `dim`; computed in `dtype` if given."""
    return ops.softmax(input, _implicit_dim("softmax", input, dim, _stacklevel), dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax(-x)` along `dim`."""
    return ops.softmax(-input, _implicit_dim("softmin", input, dim, _stacklevel), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`log(softmax(x))` along `dim`, computed without overflow, in `dtype` if given."""
    return ops.log_softmax(input, _implicit_dim("log_softmax", input, dim, _stacklevel), dtype=dtype)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability `p` and multiplies the rest by `1 / (1 - p)`; identity unless
    `training`.

    Raises:
        ValueError: `p` is not within [0, 1].
    """
    _check_probability(p)
    return ops.dropout(input, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels ``(N, C)`` with probability `p` and multiplies the rest by `1 / (1 - p)`.

    Raises:
        ValueError: `p` is not within [0, 1].
    """
    _check_probability(p)
    if not training:
        return input
    channels = ops.ones((*input.shape[:2], *[1] * (input.dim() - 2)), dtype=input.dtype)
    noise = ops.dropout(channels, p, True)
    return input.mul_(noise) if inplace else input * noise


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """`(x - mean) / sqrt(var + eps) * weight + bias` over groups of channels of each sample.

    Raises:
        RuntimeError: the input has no channels, or their number is not divisible by `num_groups`.
    """
    if input.dim() < 2 or input.shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    grouped = input.reshape(input.shape[0], num_groups, -1)
    result = layer_norm(grouped, grouped.shape[2:], eps=eps).view(input.shape)
    if weight is None and bias is None:
        return result
    # Weight and bias a channel: what batch norm does after normalising, in one pass.
    channels = input.shape[1]
    mean, var = ops.zeros(channels, dtype=input.dtype), ops.ones(channels, dtype=input.dtype)
    return batch_norm(result, mean, var, weight, bias, eps=0.0)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """`x / max(norm(x), eps)` with the p-norm along `dim`."""
    return input / ops.norm(input, p, dim, keepdim=True).clamp(min=eps)
