"""Tensor methods that are written in Python, attached to the compiled class."""

from __future__ import annotations

from collections.abc import Sequence

from rushlight import _conversion, _tensor_str, autograd
from rushlight._core import Node, Tensor, UntypedStorage
from rushlight.autograd import _hooks


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds to ``.grad`` of the leaves the gradients of this tensor.

    Args:
        gradient: weight of each element, of this tensor's shape; may be left out for one element.
        retain_graph: keep what the graph saved, for another backward; default: ``create_graph``.
        create_graph: record the backward itself, for higher derivatives.
        inputs: add only to these tensors' ``.grad``; default: all leaves.

    Raises:
        RuntimeError: see :func:`rushlight.autograd.backward`.
    """
    autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


Tensor.backward = _backward  # type: ignore[method-assign]
Tensor.register_hook = _hooks.register_hook  # type: ignore[method-assign]
Node.register_hook = _hooks.register_node_hook  # type: ignore[method-assign]
Node.register_prehook = _hooks.register_node_prehook  # type: ignore[method-assign]

for _name, _method in _conversion.METHODS.items():
    setattr(Tensor, _name, _method)
Tensor.__repr__ = _tensor_str.tensor_repr  # type: ignore[assignment,method-assign]
UntypedStorage.__reduce_ex__ = _conversion.reduce_storage  # type: ignore[method-assign]
