"""Hooks on tensors and on nodes of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight._core import Node, Tensor


class HookHandle:
    """Takes a hook out again, by ``remove()`` or at the end of a ``with`` block."""

    def __init__(self, node: Node, hook_id: int) -> None:
        self._node: Node | None = node
        self.id = hook_id

    def remove(self) -> None:
        """Removes the hook; a second call does nothing."""
        if self._node is not None:
            self._node._remove_hook(self.id)
            self._node = None

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """Calls ``hook(gradient)`` each time a gradient of this tensor has been computed.

    Hooks run in the order of registration. One that returns a tensor replaces the gradient, for the hooks
    after it and for everything the gradient flows to; a hook must not change its argument.

    Args:
        hook: takes the gradient, returns its replacement or None.

    Returns:
        A handle whose ``remove()`` takes the hook out again.

    Raises:
        RuntimeError: if the tensor does not require grad.
    """
    hook_id = self._add_hook(hook)
    owner = self._hook_owner()
    assert owner is not None  # the hook was accepted
    return HookHandle(owner, hook_id)


def register_node_hook(self: Node, hook: Callable[..., Any]) -> HookHandle:
    """Calls ``hook(grad_inputs, grad_outputs)`` after the node ran; a returned tuple replaces the former."""
    return HookHandle(self, self._add_hook(hook))


def register_node_prehook(self: Node, hook: Callable[..., Any]) -> HookHandle:
    """Calls ``hook(grad_outputs)`` before the node runs; a returned tuple replaces them."""
    return HookHandle(self, self._add_prehook(hook))
