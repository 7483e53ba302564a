"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from .._core import Tensor, ops
from . import functional as F
from . import init
from .linear import reset_bias
from .module import Module
from .parameter import Parameter

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
# An int for every dimension, or one for each.
Size = int | tuple[int, ...]


def as_tuple(value: Any, count: int) -> tuple[int, ...]:
    """An int repeated `count` times, or a sequence as it is."""
    return (value,) * count if isinstance(value, int) else tuple(value)


class _ConvNd(Module):
    """What convolutions of every dimension share."""

    _dims: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = as_tuple(kernel_size, self._dims)
        self.stride = as_tuple(stride, self._dims)
        self.padding = padding if isinstance(padding, str) else as_tuple(padding, self._dims)
        self.dilation = as_tuple(dilation, self._dims)
        self.groups = groups
        self.padding_mode = padding_mode
        _check_arguments(in_channels, out_channels, self.stride, self.padding, groups, padding_mode)
        # Left and right padding, last dimension first, as F.pad takes it.
        self._pad_sides = [side for axis in reversed(self._sides()) for side in axis]
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(ops.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias: Parameter | None = Parameter(ops.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _sides(self) -> list[tuple[int, int]]:
        if self.padding == "valid":
            return [(0, 0)] * len(self.kernel_size)
        if self.padding == "same":  # an odd total puts the extra element behind
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [(total // 2, total - total // 2) for total in totals]
        return [(int(p), int(p)) for p in self.padding]

    def reset_parameters(self) -> None:
        """Draws weight and bias from U(-k, k) with k = 1 / sqrt(fan-in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        reset_bias(self.weight, self.bias)

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * len(self.padding):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def _apply_conv(self, conv: Any, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._pad_sides, mode=self.padding_mode)
            padding = 0
        return conv(  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


def _check_arguments(
    in_channels: int,
    out_channels: int,
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
    groups: int,
    padding_mode: str,
) -> None:
    if groups <= 0:
        raise ValueError(f"groups must be a positive integer, got {groups}")
    if in_channels % groups != 0:
        raise ValueError(
            f"in_channels must be divisible by groups, got in_channels={in_channels}, groups={groups}"
        )
    if out_channels % groups != 0:
        raise ValueError(
            f"out_channels must be divisible by groups, got out_channels={out_channels}, groups={groups}"
        )
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
        if padding == "same" and any(s != 1 for s in stride):
            raise ValueError(f"padding='same' is not supported for strided convolutions, got stride={stride}")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode='{padding_mode}'"
        )


class Conv1d(_ConvNd):
    """Cross-correlation over the last dimension.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, padding, dilation: an int or a 1-tuple; padding also "same" or "valid".
        groups: number of channel groups that are convolved separately.
        bias: whether to add a learned bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular".

    Shapes:
        input ``(N, C_in, L)`` or ``(C_in, L)``, weight ``(C_out, C_in / groups, K)``.

    Raises:
        ValueError: channels are not divisible by groups, or padding is not possible as asked.
    """

    _dims = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_conv(F.conv1d, input)


class Conv2d(_ConvNd):
    """Cross-correlation over the last two dimensions.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, padding, dilation: an int or (height, width); padding also "same" or "valid".
        groups: number of channel groups that are convolved separately.
        bias: whether to add a learned bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular".

    Shapes:
        input ``(N, C_in, H, W)`` or ``(C_in, H, W)``, weight ``(C_out, C_in / groups, KH, KW)``; output
        height ``(H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1``, width alike.

    Raises:
        ValueError: channels are not divisible by groups, or padding is not possible as asked.
    """

    _dims = 2

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_conv(F.conv2d, input)
