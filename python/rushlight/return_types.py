"""Named results of the ops that return values with their positions (PyTorch's ``torch.return_types``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ._core import Tensor


class _ValuesIndices(NamedTuple):
    values: Tensor
    indices: Tensor


def _named(name: str) -> type[_ValuesIndices]:
    def show(self: _ValuesIndices) -> str:
        return f"torch.return_types.{name}(\nvalues={self.values!r},\nindices={self.indices!r})"

    return type(name, (_ValuesIndices,), {"__slots__": (), "__module__": __name__, "__repr__": show})


max = _named("max")
min = _named("min")
sort = _named("sort")
topk = _named("topk")
kthvalue = _named("kthvalue")
