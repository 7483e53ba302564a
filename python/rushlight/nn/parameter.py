"""Tensors that a module registers by assignment."""

from __future__ import annotations

from typing import Any

from .._core import Tensor, ops


class Parameter(Tensor):
    """A tensor that becomes one of a module's parameters when assigned to an attribute of it.

    Args:
        data: the values; memory is shared with it. None makes an empty parameter.
        requires_grad: whether gradients are computed for it.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        super().__init__(ops.empty(0) if data is None else data.detach())
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        result = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (type(self), (self.detach(), self.requires_grad))
