"""Freezing of modules, and the warning for half-frozen batch normalisation."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module

_STATE = "_frozen_state"
_WARNED = "_warned_moving_statistics"


def set_mode(module: Module, mode: bool) -> None:
    """`train(mode)` for one module; a frozen one only remembers the wish."""
    state = module.__dict__.get(_STATE)
    if state is None:
        module.training = mode
    else:
        state["training"] = mode


def freeze(module: Module) -> None:
    """Freezes one module; remembers what to switch on again."""
    state = module.__dict__.setdefault(_STATE, {"training": module.training, "parameters": set()})
    module.training = False
    for name, param in module._parameters.items():
        if param is not None and param.requires_grad:
            param.requires_grad_(False)
            state["parameters"].add(name)


def unfreeze(module: Module) -> None:
    """Undoes `freeze`; does nothing for a module that is not frozen."""
    state = module.__dict__.pop(_STATE, None)
    if state is None:
        return
    module.training = state["training"]
    for name in state["parameters"]:
        param = module._parameters.get(name)
        if param is not None:
            param.requires_grad_(True)


def has_moving_statistics(module: Any) -> bool:
    """Whether a batch norm moves its running statistics although all its parameters are frozen."""
    if not (module.training and module.running_mean is not None):
        return False
    params = [param for param in module._parameters.values() if param is not None]
    return bool(params) and not any(param.requires_grad for param in params)


def warn_moving_statistics(module: Any, call: Any, is_batch_norm: Any) -> None:
    """Warns, once a layer, that running statistics move in layers whose parameters are frozen.

    A layer does not know its name; the outermost module call on the stack knows all of them.

    Args:
        module: the batch norm that noticed.
        call: the function whose frames are module calls (`Module.__call__`).
        is_batch_norm: tells which modules keep running statistics.
    """
    root, user_level, level = module, 2, 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is call.__code__:
            root, user_level = frame.f_locals["self"], level + 2
        frame, level = frame.f_back, level + 1
    layers = [
        (name, layer)
        for name, layer in root.named_modules()
        if is_batch_norm(layer) and _WARNED not in layer.__dict__ and has_moving_statistics(layer)
    ]
    for _, layer in layers:
        layer.__dict__[_WARNED] = True
    names = ", ".join(name or type(layer).__name__ for name, layer in layers)
    warnings.warn(
        f"BatchNorm: the parameters of {len(layers)} layer(s) have requires_grad=False, but in training "
        "mode their "
        f"running statistics still move: {names}. Call `module.freeze()` to fix both (also across later "
        "`train()` "
        "calls), or `eval()` on these layers. This is said once.",
        UserWarning,
        stacklevel=user_level,
    )
