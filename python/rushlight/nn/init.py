"""Initialisation of tensors, in place and outside of autograd. Every function returns its tensor.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010;
He et al., "Delving deep into rectifiers", 2015; Saxe et al., "Exact solutions to the nonlinear dynamics of
learning in deep linear neural networks", 2013.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from .._core import Tensor, float64
from ..autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from .._core import Generator


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights in front of a nonlinearity are scaled.

    Args:
        nonlinearity: "linear", "conv1d" ... "conv_transpose3d", "sigmoid": 1; "tanh": 5/3; "relu": sqrt(2);
            "leaky_relu": sqrt(2 / (1 + param^2)); "selu": 3/4.
        param: negative slope of "leaky_relu", 0.01 by default.

    Raises:
        ValueError: the nonlinearity is unknown or the slope no number.
    """
    linear = [f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)]
    if nonlinearity in (*linear, "linear", "sigmoid"):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with draws from the uniform distribution U(a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fills with draws from the normal distribution N(mean, std^2)."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fills with draws from N(mean, std^2) restricted to [a, b]; the bounds are absolute values."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    low, high = (math.erf((bound - mean) / std / math.sqrt(2)) for bound in (a, b))
    with no_grad():
        # The inverse distribution function of draws that are uniform between the bounds' quantiles.
        quantiles = tensor.new_empty(tensor.shape, dtype=float64).uniform_(low, high, generator=generator)
        return tensor.copy_((_erfinv(quantiles) * (std * math.sqrt(2)) + mean).clamp(a, b))


def _erfinv(y: Tensor) -> Tensor:
    """The inverse of erf for float64: Winitzki's approximation, sharpened by Newton's method."""
    y = y.clamp(-1 + 2**-53, 1 - 2**-53)
    log = (1 - y * y).log()
    t = 2 / (math.pi * 0.147) + log / 2
    x = y.sign() * ((t * t - log / 0.147).sqrt() - t).sqrt()
    for _ in range(3):
        x = x - (x.erf() - y) * (math.sqrt(math.pi) / 2) * (x * x).exp()
    return x


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one value."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fills a matrix with the identity. Raises ValueError for other than 2 dimensions."""
    if tensor.dim() != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}")
    with no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fills a convolution weight so that the convolution passes as many channels through as it can.

    Raises:
        ValueError: the tensor has not 3 to 5 dimensions, or dimension 0 is not divisible by `groups`.
    """
    dimensions = tensor.dim()
    if dimensions not in (3, 4, 5):
        raise ValueError(
            f"Only tensors with 3, 4, or 5 dimensions are supported, got shape {tuple(tensor.shape)}"
        )
    out_channels, in_channels, *kernel = tensor.shape
    if out_channels % groups != 0:
        raise ValueError(
            f"dim 0 must be divisible by groups, got shape {tuple(tensor.shape)}, groups={groups}"
        )
    per_group = out_channels // groups
    center = tuple(k // 2 for k in kernel)
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for d in range(min(per_group, in_channels)):
                place = (group * per_group + d, d, *center)
                tensor[place] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Number of inputs that feed one output element, and of outputs one input element feeds."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"got shape {tuple(tensor.shape)}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills from U(-k, k) with `k = gain * sqrt(6 / (fan_in + fan_out))`."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills from N(0, std^2) with `std = gain * sqrt(2 / (fan_in + fan_out))`."""
    std = gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills from U(-k, k) with `k = gain * sqrt(3 / fan)`.

    Args:
        tensor: what to fill; nothing is done if it has no elements.
        a: negative slope behind the layer (with "leaky_relu").
        mode: "fan_in" keeps the variance in the forward, "fan_out" in the backward direction.
        nonlinearity: see `calculate_gain`.
        generator: source of random numbers.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills from N(0, std^2) with `std = gain / sqrt(fan)`; arguments as for `kaiming_uniform_`."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _is_empty(tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fills with a (semi-)orthogonal matrix; dimensions after the first count as one.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    if tensor.dim() < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    import numpy as np  # NumPy is imported where it is needed only

    from .. import from_numpy

    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with no_grad():
        draws = normal_(tensor.new_empty((rows, columns)), 0, 1, generator).numpy()
        q, r = np.linalg.qr(draws.T if rows < columns else draws)
        q = q * np.sign(np.diag(r))  # makes the decomposition unique, hence the result uniform
        q = np.ascontiguousarray(q.T if rows < columns else q)
        tensor.copy_(from_numpy(q).view(tensor.shape)).mul_(gain)
    return tensor
