"""Dropout layers."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training mode zeroes each element with probability `p` and multiplies the rest by `1 / (1 - p)`.

    Raises:
        ValueError: `p` is not within [0, 1].

    Source: Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors", 2012.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training mode zeroes whole channels with probability `p` and multiplies the rest by `1 / (1 - p)`.

    Shapes:
        input ``(N, C, H, W)`` or ``(N, C, L)``.

    Raises:
        ValueError: `p` is not within [0, 1].
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)
