"""The base class of all neural network modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from .._core import Tensor, dtype
from .._core import bfloat16 as bfloat16_type
from ..amp.autocast_mode import notice_missing_units
from ..autograd.grad_mode import no_grad
from . import _freeze
from ._hooks import HooksMixin
from ._state_dict import StateDictMixin
from ._tree import remove_part, typename
from .parameter import Parameter

M = TypeVar("M", bound="Module")

_HOOK_DICTS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Module(HooksMixin, StateDictMixin):
    """Base class of all neural network modules.

    A subclass calls `super().__init__()` first, assigns parameters, buffers and submodules as attributes, and
    defines `forward`. Calling the module calls `forward` with the registered hooks around it.
    """

    training: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        # Straight into __dict__: __setattr__ would look for the containers that are being made here.
        state = self.__dict__
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_non_persistent_buffers_set"] = set()
        state["_modules"] = {}
        for name in _HOOK_DICTS:
            state[name] = OrderedDict()

    # Attributes ---------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        for container in ("_parameters", "_buffers", "_modules"):
            entries = self.__dict__.get(container)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        parameters, modules = state.get("_parameters"), state.get("_modules")
        buffers, unsaved = state.get("_buffers"), state.get("_non_persistent_buffers_set")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            remove_part(self, name, state, buffers, modules, unsaved)
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            remove_part(self, name, state, parameters, buffers, unsaved)
            modules[name] = value
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            modules[name] = value
        elif buffers is not None and name in buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            buffers[name] = value
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        for entries in (self._parameters, self._buffers, self._modules):
            if name in entries:
                del entries[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._modules,
            *self._buffers,
        ]
        # Digits, the names in containers, cannot be written as attributes.
        return sorted({name for name in names if not name[0].isdigit()})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOK_DICTS:  # files of an older version may lack some
            self.__dict__.setdefault(name, OrderedDict())

    # Conversion ---------------------------------------------------------------------------------------------

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Replaces the data of every parameter, gradient and buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with no_grad():
                param.data = fn(param)
                if param.grad is not None:
                    grad = fn(param.grad).requires_grad_(param.grad.requires_grad)
                    param.grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Calls `fn` with every submodule, children first, and with the module itself; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Converts floating-point parameters and buffers, in place.

        Called as `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(tensor)`; the only device is the CPU.
        Of bfloat16 on a CPU without units for it, a warning says once that products are computed in float32.

        Returns:
            The module itself.

        Raises:
            TypeError: the type asked for is not a floating-point one.
        """
        target = next((v for v in (*args, *kwargs.values()) if isinstance(v, (dtype, Tensor))), None)
        target = target.dtype if isinstance(target, Tensor) else target
        if target is not None and not target.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={target}"
            )
        if target == bfloat16_type:
            notice_missing_units("Module.to")

        def convert(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point():
                return tensor.to(*args, **kwargs)
            kept = [v for v in args if not isinstance(v, (dtype, Tensor))]
            return tensor.to(*kept, **{k: v for k, v in kwargs.items() if k not in ("dtype", "tensor")})

        return self._apply(convert)

    def type(self: M, dst_type: dtype) -> M:
        """Converts all parameters and buffers, integer ones included, to `dst_type`."""
        return self._apply(lambda t: t.to(dst_type))

    def _to_floating(self: M, target: str) -> M:
        return self._apply(lambda t: getattr(t, target)() if t.is_floating_point() else t)

    def float(self: M) -> M:
        """Converts floating-point parameters and buffers to float32."""
        return self._to_floating("float")

    def double(self: M) -> M:
        """Converts floating-point parameters and buffers to float64."""
        return self._to_floating("double")

    def half(self: M) -> M:
        """Converts floating-point parameters and buffers to float16."""
        return self._to_floating("half")

    def bfloat16(self: M) -> M:
        """Converts floating-point parameters and buffers to bfloat16.

        On a CPU without bfloat16 units, products are computed in float32; a warning says so once.
        """
        notice_missing_units("Module.bfloat16")
        return self._to_floating("bfloat16")

    def cpu(self: M) -> M:
        """Returns the module: everything is on the CPU."""
        return self

    # Modes --------------------------------------------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Sets training mode, or evaluation mode with `mode=False`, for the module and all below it.

        Modules that were frozen (`freeze()`) stay in evaluation mode.

        Raises:
            ValueError: `mode` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        _freeze.set_mode(self, mode)
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Sets evaluation mode; the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Sets `requires_grad` of every parameter.

        In training mode BatchNorm statistics keep moving when only this is switched off; `freeze()` stops
        both.
        """
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def freeze(self: M) -> M:
        """Fixes the module: no gradients for its parameters, and evaluation mode that a later `train()`
        keeps.

        With it BatchNorm uses, and does not change, its running statistics, and Dropout does nothing. Modules
        that are put in place afterwards are not frozen.

        Returns:
            The module itself.
        """
        for module in self.modules():
            _freeze.freeze(module)
        return self

    def unfreeze(self: M) -> M:
        """Undoes `freeze()`: what it switched off trains again, in the mode last asked for by
        `train()`/`eval()`.
        """
        for module in self.modules():
            _freeze.unfreeze(module)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or sets them to zero with `set_to_none=False`."""
        for param in self.parameters():
            clear_grad(param, set_to_none)

    # Text ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses besides the submodules; subclasses override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [
            f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()
        ]
        return format_tree(self._get_name(), extra, children)


def format_tree(name: str, extra: str, children: list[str]) -> str:
    """The text of a module: one line if it has no children and one line of details, else one line a part."""
    extra_lines = extra.split("\n") if extra else []
    if not children and len(extra_lines) <= 1:
        return f"{name}({extra})"
    return f"{name}(\n  " + "\n  ".join([*extra_lines, *children]) + "\n)"


def clear_grad(param: Tensor, set_to_none: bool) -> None:
    """Drops a tensor's gradient, or zeroes it after detaching it from its graph."""
    if param.grad is None:
        return
    if set_to_none:
        param.grad = None
        return
    if param.grad.grad_fn is not None:
        param.grad = param.grad.detach()
    else:
        param.grad.requires_grad_(False)
    param.grad.zero_()
