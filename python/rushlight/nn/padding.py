"""Padding of images: `padding` is an int or (left, right, top, bottom)."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .conv import as_tuple
from .module import Module

Sides = int | tuple[int, int, int, int]


class _Pad2d(Module):
    mode: str

    def __init__(self, padding: Sides) -> None:
        super().__init__()
        self.padding = as_tuple(padding, 4)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad2d(_Pad2d):
    """Mirrors the image at its edges, without repeating the edge."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """Repeats the edges of the image."""

    mode = "replicate"


class CircularPad2d(_Pad2d):
    """Continues the image with its opposite side."""

    mode = "circular"


class ConstantPad2d(_Pad2d):
    """Surrounds the image with a value."""

    mode = "constant"

    def __init__(self, padding: Sides, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, mode="constant", value=self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad2d(ConstantPad2d):
    """Surrounds the image with zeros."""

    def __init__(self, padding: Sides) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
