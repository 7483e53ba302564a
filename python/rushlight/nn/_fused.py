"""Layers that follow each other, computed in one pass where nobody looks at what lies between them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._core import Tensor, _FoldedConv
from .activation import ReLU
from .conv import Conv2d
from .module import Module
from .norm import BatchNorm2d
from .pooling import MaxPool2d


def is_plain(module: Any, kind: type[Module]) -> bool:
    """Whether calling `module` does what `kind.forward` says and nothing else: no subclass, no hooks."""
    return type(module) is kind and not (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


def conv_norm_act(conv: Any, norm: Any, act: Any, x: Tensor, residual: Tensor | None = None) -> Tensor:
    """`act(norm(conv(x)) + residual)`; `act` None: without.

    Where nothing is recorded, a plain `Conv2d` and a `BatchNorm2d` in evaluation mode run as one convolution
    with folded weights.
    """
    if not norm.training and is_plain(conv, Conv2d) and (act is None or is_plain(act, ReLU)):
        out = _folded(conv, norm, x, residual, act is not None)
        if out is not None:
            return out
    return norm_act(norm, act, conv(x), residual)


def _folded(conv: Conv2d, norm: Any, x: Tensor, residual: Tensor | None, relu: bool) -> Tensor | None:
    if not is_plain(norm, BatchNorm2d) or norm.running_mean is None or conv.padding_mode != "zeros":
        return None
    cache = norm.__dict__.get("_folded")
    if cache is None:
        cache = norm.__dict__["_folded"] = _FoldedConv()
    weights, affine, statistics = conv._parameters, norm._parameters, norm._buffers
    return cache.run(  # type: ignore[no-any-return]
        x,
        weights["weight"],
        weights["bias"],
        statistics["running_mean"],
        statistics["running_var"],
        affine["weight"],
        affine["bias"],
        norm.eps,
        residual,
        relu,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
    )


def norm_act(norm: Any, act: Any, x: Tensor, residual: Tensor | None = None) -> Tensor:
    """`act(norm(x) + residual)`, `act` None: without; in one pass for a plain `BatchNorm2d` and `ReLU`.

    The graph, and what hooks on the two modules see, are those of the single calls.
    """
    if is_plain(norm, BatchNorm2d) and is_plain(act, ReLU):
        return norm._forward_relu(x, residual)  # type: ignore[no-any-return]
    out = norm(x)
    if residual is not None:
        out += residual
    return out if act is None else act(out)  # type: ignore[no-any-return]


def norm_act_pool(norm: Any, act: Any, pool: Any, x: Tensor) -> Any:
    """`pool(act(norm(x)))`; in one pass for a plain `BatchNorm2d` in training, `ReLU` and `MaxPool2d`.

    The graph, and what hooks on the modules see, are those of the single calls.
    """
    plain = is_plain(norm, BatchNorm2d) and is_plain(act, ReLU) and is_plain(pool, MaxPool2d)
    if plain and norm.training and not pool.return_indices:
        return norm._forward_relu_pool(x, pool)
    return pool(norm_act(norm, act, x))


def conv_norm_act_pool(conv: Any, norm: Any, act: Any, pool: Any, x: Tensor) -> Any:
    """`pool(act(norm(conv(x))))`, in as few passes as `conv_norm_act` and `norm_act_pool` can."""
    if norm.training:
        return norm_act_pool(norm, act, pool, conv(x))
    return pool(conv_norm_act(conv, norm, act, x))


def sequence(modules: Iterable[Any], x: Any) -> Any:
    """Calls the modules one after the other, each with the result of the one before."""
    layers = list(modules)
    i, end = 0, len(layers)
    while i < end:
        conv = layers[i] if type(layers[i]) is Conv2d else None
        at = i if conv is None else i + 1
        if at == end or type(layers[at]) is not BatchNorm2d:
            x = layers[i](x)
            i += 1
            continue
        norm = layers[at]
        act = layers[at + 1] if at + 1 < end and type(layers[at + 1]) is ReLU else None
        i = at + 1 if act is None else at + 2
        if act is not None and i < end and type(layers[i]) is MaxPool2d:
            pool = layers[i]
            x = (
                norm_act_pool(norm, act, pool, x)
                if conv is None
                else conv_norm_act_pool(conv, norm, act, pool, x)
            )
            i += 1
        else:
            x = norm_act(norm, act, x) if conv is None else conv_norm_act(conv, norm, act, x)
    return x
