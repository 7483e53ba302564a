"""Pooling layers. Sizes are an int or (height, width)."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from . import functional as F
from .conv import Size
from .module import Module

OutputSize = int | None | tuple[int | None, int | None]


class MaxPool2d(Module):
    """The largest value of every window.

    Args:
        kernel_size: size of the window.
        stride: step of the window, by default its size.
        padding: rows and columns of minus infinity around the input, at most half the window.
        dilation: step between the elements of a window.
        return_indices: whether to return the positions of the maxima as well.
        ceil_mode: whether a last window that hangs over the edge counts.

    Shapes:
        input ``(N, C, H, W)`` or ``(C, H, W)``, output height
        ``(H + 2 * padding - dilation * (KH - 1) - 1) / stride + 1`` rounded down (up with `ceil_mode`).
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        pool: Any = F.max_pool2d  # its type depends on the flag's value
        return pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of every window.

    Args:
        kernel_size: size of the window.
        stride: step of the window, by default its size.
        padding: rows and columns of zeros around the input, at most half the window.
        ceil_mode: whether a last window that hangs over the edge counts.
        count_include_pad: whether the zeros of the padding count as elements.
        divisor_override: divides the sum by this instead of the number of elements.

    Shapes:
        input ``(N, C, H, W)`` or ``(C, H, W)``, output height ``(H + 2 * padding - KH) / stride + 1`` rounded
        down (up with `ceil_mode`).
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean of windows chosen so that the output has a given size; None keeps the input's.

    Shapes:
        input ``(N, C, H, W)`` or ``(C, H, W)``, output ``(N, C, *output_size)`` or ``(C, *output_size)``.
    """

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(Module):
    """The maximum of windows chosen so that the output has a given size; None keeps the input's.

    Args:
        output_size: height and width of the output.
        return_indices: whether to return the positions of the maxima as well.

    Shapes:
        input ``(N, C, H, W)`` or ``(C, H, W)``, output ``(N, C, *output_size)`` or ``(C, *output_size)``.
    """

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        pool: Any = F.adaptive_max_pool2d  # its type depends on the flag's value
        return pool(input, self.output_size, return_indices=self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
