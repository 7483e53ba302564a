"""Calling a module: the fast path without hooks, and the hooks around `forward` and its gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .._core import Tensor, is_grad_enabled
from ..autograd.function import Function
from ..utils.hooks import RemovableHandle, add_hook
from ._tree import HookDict, ModuleTree


class HooksMixin(ModuleTree):
    """Hook registration and `__call__` of `Module`."""

    _forward_pre_hooks: HookDict
    _forward_pre_hooks_with_kwargs: HookDict
    _forward_hooks: HookDict
    _forward_hooks_with_kwargs: HookDict
    _forward_hooks_always_called: HookDict
    _backward_pre_hooks: HookDict
    _backward_hooks: HookDict

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the module's result; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (
            self._forward_pre_hooks or self._forward_hooks or self._backward_hooks or self._backward_pre_hooks
        ):
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        try:
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            taps = None
            if self._backward_hooks or self._backward_pre_hooks:
                taps = _BackwardHooks(self, self._backward_hooks.values(), self._backward_pre_hooks.values())
                args = taps.wrap_inputs(args)
            result = self.forward(*args, **kwargs)
            for hook_id, hook in list(self._forward_hooks.items()):
                called.add(hook_id)
                changed = self._run_forward_hook(hook_id, hook, args, kwargs, result)
                result = result if changed is None else changed
            return result if taps is None else taps.wrap_outputs(result)
        except Exception:
            for hook_id, hook in list(self._forward_hooks.items()):
                if hook_id in self._forward_hooks_always_called and hook_id not in called:
                    try:
                        self._run_forward_hook(hook_id, hook, args, kwargs, None)
                    except Exception as error:  # the first error is the one to report
                        warnings.warn(
                            "module forward hook with ``always_call=True`` raised an exception that was "
                            "silenced "
                            f"as another error was raised in forward: {error}",
                            stacklevel=3,
                        )
            raise

    def _run_forward_pre_hooks(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for hook_id, hook in list(self._forward_pre_hooks.items()):
            if hook_id in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{changed}."
                    )
                args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs

    def _run_forward_hook(self, hook_id: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
        if hook_id in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before `forward`; what it returns, unless None, replaces the arguments.

        Args:
            hook: the callable.
            prepend: whether it runs before the hooks already registered.
            with_kwargs: whether it is called as `hook(module, args, kwargs)` and returns both.

        Returns:
            A handle with `remove()`.
        """
        extra = self._forward_pre_hooks_with_kwargs
        handle = add_hook(self._forward_pre_hooks, hook, prepend=prepend, extra_dict=extra)
        if with_kwargs:
            extra[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after `forward`; what it returns, unless None, replaces the
        output.

        Args:
            hook: the callable.
            prepend: whether it runs before the hooks already registered.
            with_kwargs: whether it is called as `hook(module, args, kwargs, output)`.
            always_call: whether it is called, with output None, even if `forward` raises.

        Returns:
            A handle with `remove()`.
        """
        extra = [self._forward_hooks_with_kwargs, self._forward_hooks_always_called]
        handle = add_hook(self._forward_hooks, hook, prepend=prepend, extra_dict=extra)
        for flag, entries in zip((with_kwargs, always_call), extra, strict=True):
            if flag:
                entries[handle.id] = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, grad_output)` when the gradients of the outputs are known; a tuple it returns
        replaces them. Returns a handle with `remove()`."""
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when the gradients of the inputs are known; a tuple
        it returns replaces `grad_input`. Entries of arguments that are no tensors are None.

        Returns a handle with `remove()`.
        """
        return add_hook(self._backward_hooks, hook, prepend=prepend)


class _GradTap(Function):
    """Identity that hands the gradients flowing back through it to a callable."""

    @staticmethod
    def forward(ctx: Any, tap: Callable[..., Any], *tensors: Tensor) -> Any:
        ctx.tap = tap
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        return (None, *ctx.tap(grads))


class _BackwardHooks:
    """Collects, for one call of a module, the gradients of its outputs and inputs and runs the hooks on
    them.
    """

    def __init__(self, module: HooksMixin, hooks: Any, pre_hooks: Any) -> None:
        self.module, self.hooks, self.pre_hooks = module, list(hooks), list(pre_hooks)
        self.grad_output: tuple[Any, ...] | None = None
        self.inputs: list[int] | None = None
        self.num_inputs = 0

    def wrap_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.num_inputs = len(args)
        wrapped, self.inputs = _tap_tensors(args, self._on_grad_input)
        return wrapped

    def wrap_outputs(self, result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)

        def on_grad(grads: tuple[Any, ...]) -> tuple[Any, ...]:
            return self._on_grad_output(grads, index or [], len(outputs))

        wrapped, index = _tap_tensors(outputs, on_grad)
        if not isinstance(result, tuple):
            return wrapped[0]
        # A named tuple takes its fields one by one.
        return wrapped if type(result) is tuple else type(result)(*wrapped)

    def _on_grad_output(self, grads: tuple[Any, ...], index: list[int], count: int) -> tuple[Any, ...]:
        grad_output = _spread(index, grads, count)
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_output)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                if len(changed) != count:
                    raise RuntimeError(
                        "Backward pre hook returned an invalid number of grad_output, "
                        f"got {len(changed)}, but expected {count}"
                    )
                grad_output = changed
        self.grad_output = grad_output
        if self.inputs is None:  # no input asks for a gradient: this is the last chance to call the hooks
            self._run(_spread([], (), self.num_inputs), fixed=True)
        return tuple(grad_output[i] for i in index)

    def _on_grad_input(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_output is None:  # the gradient came another way than through the outputs
            return grads
        index = self.inputs or []
        grad_input = self._run(_spread(index, grads, self.num_inputs))
        return tuple(grad_input[i] for i in index)

    def _run(self, grad_input: tuple[Any, ...], fixed: bool = False) -> tuple[Any, ...]:
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if fixed and any(grad is not None for grad in changed):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or "
                    "None for all gradients."
                )
            if len(changed) != len(grad_input):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(changed)}, but expected {len(grad_input)}"
                )
            grad_input = changed
        self.grad_output = None
        return grad_input


def _tap_tensors(
    values: tuple[Any, ...], tap: Callable[..., Any]
) -> tuple[tuple[Any, ...], list[int] | None]:
    """Passes the tensors among `values` through a tap; the index list is None if no gradient will come."""
    index = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not (is_grad_enabled() and any(values[i].requires_grad for i in index)):
        return values, None
    wrapped = list(values)
    for i, tensor in zip(index, _GradTap.apply(tap, *[values[i] for i in index]), strict=True):
        wrapped[i] = tensor
    return tuple(wrapped), index


def _spread(index: list[int], values: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """A tuple of `size` Nones with `values` at the places `index`."""
    spread: list[Any] = [None] * size
    for i, value in zip(index, values, strict=True):
        spread[i] = value
    return tuple(spread)
