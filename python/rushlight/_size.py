"""The shape of a tensor."""

from __future__ import annotations

import math
from typing import SupportsIndex, overload


class Size(tuple[int, ...]):
    """A tuple of ints, as ``torch.Size``."""

    __slots__ = ()

    def numel(self) -> int:
        """Product of the sizes: the number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __add__(self, other: tuple[int, ...]) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, other))

    def __mul__(self, count: int) -> Size:  # type: ignore[override]
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Size: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | Size:
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(item, tuple) else item
