"""Layers that follow each other, computed in one pass where nobody looks at what lies between them."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .activation import ReLU
from .module import Module
from .norm import BatchNorm2d


def is_plain(module: Any, kind: type[Module]) -> bool:
    """Whether calling `module` does what `kind.forward` says and nothing else: no subclass, no hooks."""
    return type(module) is kind and not (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


def norm_act(norm: Any, act: Any, x: Tensor, residual: Tensor | None = None) -> Tensor:
    """`act(norm(x) + residual)`; in one pass for a plain `BatchNorm2d` and `ReLU`.

    The graph, and what hooks on the two modules see, are those of the single calls.
    """
    if is_plain(norm, BatchNorm2d) and is_plain(act, ReLU):
        return norm._forward_relu(x, residual)  # type: ignore[no-any-return]
    out = norm(x)
    if residual is not None:
        out += residual
    return act(out)  # type: ignore[no-any-return]
