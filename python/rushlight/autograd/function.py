"""User-defined differentiable functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rushlight import _core
from rushlight._core import Tensor
from rushlight.autograd.grad_mode import no_grad

B = TypeVar("B", bound=Callable[..., Any])


class FunctionCtx:
    """What one call of a ``Function`` carries from forward to backward; any attribute may be added.

    ``needs_input_grad`` tells for each argument of ``apply`` whether its gradient will be asked for.
    """

    def __init__(self, function: type[Function], args: Sequence[Any]) -> None:
        self._function = function
        self._is_tensor = [isinstance(arg, Tensor) for arg in args]
        self.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        self._saved: tuple[Tensor | None, ...] = ()
        self._unpack: Callable[[], list[Tensor | None]] | None = None
        self._dirty: tuple[Tensor, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors (or None) for backward, where ``saved_tensors`` gives them back.

        Backward then refuses a tensor that was changed in place in between, and its memory is freed after
        backward. Other values are kept as plain attributes.

        Raises:
            TypeError: for anything that is neither a tensor nor None.
        """
        for position, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {position} is of type "
                    f"{type(tensor).__name__}"
                )
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` was given.

        Raises:
            RuntimeError: if they were freed by an earlier backward, or changed in place.
        """
        return self._saved if self._unpack is None else tuple(self._unpack())

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Names the inputs that forward changes in place; each must also be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Names the outputs that have no gradient; backward still receives a (zero) gradient for each."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, backward sees None instead of zeros for outputs that nothing used."""
        self._materialize = value

    def _run_backward(self, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Called by the engine: the gradients of the tensor arguments."""
        name = self._function._backward_name()
        returned = self._function.backward(self, *grads)
        result = list(returned) if isinstance(returned, (tuple, list)) else [returned]
        expected = len(self._is_tensor)
        while len(result) > expected and result[-1] is None:
            result.pop()
        if len(result) != expected:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {expected}, got "
                f"{len(result)})"
            )
        for position, (grad, is_tensor) in enumerate(zip(result, self._is_tensor, strict=True)):
            if grad is None:
                continue
            if not is_tensor:
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position {position + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
            if not isinstance(grad, Tensor):
                raise TypeError(
                    f"function {name}: expected Variable or None at position {position + 1} "
                    f"(got {type(grad).__name__})"
                )
        return [grad for grad, is_tensor in zip(result, self._is_tensor, strict=True) if is_tensor]


class Function:
    """Base of user-defined differentiable functions.

    A subclass defines two static methods, and is used through ``apply``::

        class Exp(Function):
            @staticmethod
            def forward(ctx, x):
                result = x.exp()
                ctx.save_for_backward(result)
                return result

            @staticmethod
            def backward(ctx, grad):
                (result,) = ctx.saved_tensors
                return grad * result

        y = Exp.apply(x)

    ``forward`` may leave ``ctx`` out if ``setup_context(ctx, inputs, output)`` is defined as well.
    ``backward`` returns one gradient (or None) for each argument of ``apply``; written with differentiable
    ops, it gives higher derivatives. Arguments that are not tensors pass through and take None.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the result; nothing in it is recorded."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Prepares ``ctx`` for backward when ``forward`` does not take it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Returns the gradient of each argument of ``apply``."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"autograd.Function is called through its class: {type(self).__name__}.apply(...), with forward "
            "and backward as static methods"
        )

    @classmethod
    def _backward_name(cls) -> str:
        return cls.__name__ + "Backward"

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs ``forward`` on the arguments and records the call.

        Raises:
            RuntimeError: if an input marked as dirty is not returned, or is a leaf that requires grad.
        """
        separate_setup = cls.setup_context is not Function.setup_context
        if separate_setup:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, {}
        elif kwargs:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments, got {sorted(kwargs)}")
        ctx = FunctionCtx(cls, args)
        with no_grad():
            if separate_setup:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        return _record(ctx, args, output)


def _record(ctx: FunctionCtx, args: Sequence[Any], output: Any) -> Any:
    """Puts the call into the graph; returns the outputs that belong to it."""
    several = isinstance(output, (tuple, list))
    outputs = list(output) if several else [output]
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    for dirty in ctx._dirty:
        if not any(dirty is one for one in outputs):
            raise RuntimeError(
                f"{ctx._function.__name__}: Some elements marked as dirty during the forward method were not "
                "returned as output. The inputs that are modified inplace must all be outputs of the "
                "Function."
            )
    places = [n for n, one in enumerate(outputs) if isinstance(one, Tensor)]
    recorded, ctx._unpack = _core._record_function(
        name=ctx._function._backward_name(),
        inputs=tensors,
        outputs=[outputs[n] for n in places],
        dirty=list(ctx._dirty),
        non_differentiable=list(ctx._non_differentiable),
        saved=list(ctx._saved),
        materialize=ctx._materialize,
        backward=ctx._run_backward,
    )
    if ctx._unpack is not None:  # recorded: the graph holds the tensors now
        ctx._saved = ()
    ctx._dirty = ctx._non_differentiable = ()
    for place, tensor in zip(places, recorded, strict=True):
        outputs[place] = tensor
    return tuple(outputs) if several else outputs[0]


class _Once(Function):
    """Identity whose gradient cannot be taken."""

    @staticmethod
    def forward(ctx: FunctionCtx, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.detach() for tensor in tensors)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn: B) -> B:
    """Marks a ``backward`` that cannot itself be differentiated: trying it raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: FunctionCtx, *grads: Any) -> Any:
        with no_grad():
            returned = fn(ctx, *grads)
        needs_grad = any(isinstance(grad, Tensor) and grad.requires_grad for grad in grads)
        saved = (t for t in ctx.saved_tensors if t is not None) if _core.is_grad_enabled() else ()
        if not _core.is_grad_enabled() or not (needs_grad or any(t.requires_grad for t in saved)):
            return returned
        several = isinstance(returned, (tuple, list))
        results = list(returned) if several else [returned]
        places = [n for n, one in enumerate(results) if isinstance(one, Tensor)]
        # The detached results enter the graph at a node of their own, whose backward raises.
        marked = _Once.apply(*(results[n].detach().requires_grad_() for n in places))
        for place, tensor in zip(places, marked, strict=True):
            results[place] = tensor
        return tuple(results) if several else results[0]

    return wrapper  # type: ignore[return-value]
