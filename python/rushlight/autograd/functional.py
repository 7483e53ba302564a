"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch
from rushlight._core import Tensor
from rushlight.autograd import _jacobian
from rushlight.autograd._backward import grad

Inputs = Tensor | tuple[Tensor, ...]


def _prepare(inputs: Inputs, create_graph: bool) -> tuple[Tensor, ...]:
    """Inputs to differentiate for: the caller's own graph goes on through them only with create_graph."""
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if create_graph:
        return tuple(
            one.view_as(one) if one.requires_grad else one.detach().requires_grad_() for one in given
        )
    return tuple(one.detach().requires_grad_() for one in given)


def _run(func: Callable[..., Any], inputs: tuple[Tensor, ...], name: str) -> tuple[tuple[Tensor, ...], bool]:
    """The outputs, and whether the function returned them as a tuple."""
    with torch.autograd.enable_grad():
        outputs = func(*inputs)
    several = isinstance(outputs, tuple)
    given = outputs if several else (outputs,)
    for position, one in enumerate(given):
        if not isinstance(one, Tensor):
            raise TypeError(
                f"{name}: the function must return a Tensor or a tuple of Tensors, got "
                f"{type(one).__name__} at position {position}"
            )
    return given, several


def _vector(v: Inputs | None, like: tuple[Tensor, ...], name: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) == 1 and like[0].numel() == 1:
            return (torch.ones_like(like[0].detach()),)
        raise RuntimeError(f"{name}: v can be left out only for a single one-element tensor")
    given = (v,) if isinstance(v, Tensor) else tuple(v)
    shapes, expected = [tuple(one.shape) for one in given], [tuple(one.shape) for one in like]
    if shapes != expected:
        raise RuntimeError(f"{name}: v must have shapes {expected}, got {shapes}")
    return given


def _gradients(
    outputs: Sequence[Tensor],
    inputs: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    create_graph: bool,
    strict: bool,
    name: str,
) -> tuple[Tensor, ...]:
    """Gradients with zeros for what does not matter; ``strict`` raises there instead."""
    pairs = [(one, weight) for one, weight in zip(outputs, weights, strict=True) if one.requires_grad]
    if strict and len(pairs) < len(outputs):
        raise RuntimeError(f"{name}: an output does not depend on the inputs, which strict=True refuses")
    found: Sequence[Tensor | None] = (None,) * len(inputs)
    if pairs:
        found = grad(
            [one for one, _ in pairs],
            inputs,
            [weight for _, weight in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict and any(one is None for one in found):
        place = next(n for n, one in enumerate(found) if one is None)
        raise RuntimeError(f"{name}: the outputs do not depend on input {place}, which strict=True refuses")
    return tuple(
        torch.zeros_like(tensor.detach()) if one is None else one
        for one, tensor in zip(found, inputs, strict=True)
    )


def _finish(tensors: tuple[Tensor, ...], several: bool, create_graph: bool) -> Any:
    given = tensors if create_graph else tuple(one.detach() for one in tensors)
    return given if several else given[0]


def vjp(
    func: Callable[..., Any],
    inputs: Inputs,
    v: Inputs | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The function's value and ``v`` times its Jacobian.

    Args:
        func: takes the inputs, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple.
        v: weights in the shapes of the outputs; may be left out for one one-element output.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.

    Returns:
        (outputs, product), the product in the shapes of the inputs.

    Raises:
        RuntimeError: if the shapes of ``v`` differ; an independent input with ``strict``.
        TypeError: if the function returns something else than tensors.
    """
    prepared = _prepare(inputs, create_graph)
    outputs, several = _run(func, prepared, "vjp")
    weights = _vector(v, outputs, "vjp")
    product = _gradients(outputs, prepared, weights, create_graph, strict, "vjp")
    return _finish(outputs, several, create_graph), _finish(product, isinstance(inputs, tuple), create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Inputs,
    v: Inputs | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The function's value and its Jacobian times ``v``, by backward through backward.

    Args:
        func, inputs, create_graph, strict: as in :func:`vjp`.
        v: a direction in the shapes of the inputs; may be left out for one one-element input.

    Returns:
        (outputs, product), the product in the shapes of the outputs.

    Raises:
        RuntimeError, TypeError: as :func:`vjp`.
    """
    prepared = _prepare(inputs, create_graph)
    direction = _vector(v, prepared, "jvp")
    outputs, several = _run(func, prepared, "jvp")
    weights = tuple(torch.zeros_like(one.detach()).requires_grad_() for one in outputs)
    with torch.autograd.enable_grad():
        pulled = _gradients(outputs, prepared, weights, True, strict, "jvp")
    product = _gradients(pulled, weights, direction, create_graph, False, "jvp")
    return _finish(outputs, several, create_graph), _finish(product, several, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for an output of shape O and an input of shape I a tensor of shape O + I.

    Args:
        func, inputs, create_graph, strict: as in :func:`vjp`.
        vectorize: no effect.
        strategy: only ``"reverse-mode"``.

    Returns:
        One tensor; a tuple over the inputs if they are a tuple, inside a tuple over the outputs if these are.

    Raises:
        RuntimeError, TypeError: as :func:`vjp`.
        NotImplementedError: for another strategy.
    """
    if strategy != "reverse-mode":
        raise NotImplementedError(f"jacobian: strategy must be 'reverse-mode', got {strategy!r}")
    prepared = _prepare(inputs, create_graph)
    outputs, several = _run(func, prepared, "jacobian")
    result = []
    for output in outputs:
        rows = [
            _gradients([output], prepared, [_jacobian.one_hot(output, at)], create_graph, strict, "jacobian")
            for at in _jacobian.positions(output)
        ]
        columns = tuple(
            torch.stack([row[n] for row in rows]).reshape(*output.shape, *tensor.shape)
            if rows
            else torch.zeros(*output.shape, *tensor.shape, dtype=tensor.dtype)
            for n, tensor in enumerate(prepared)
        )
        result.append(_finish(columns, isinstance(inputs, tuple), create_graph))
    return tuple(result) if several else result[0]


def _scalar(func: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    def checked(*args: Tensor) -> Tensor:
        output = func(*args)
        if not isinstance(output, Tensor) or output.numel() != 1:
            got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise RuntimeError(f"{name}: the function must return a Tensor with a single element, got {got}")
        return output.reshape(())

    return checked


def hessian(
    func: Callable[..., Any], inputs: Inputs, create_graph: bool = False, strict: bool = False
) -> Any:
    """Second derivatives of a scalar function: for inputs of shapes I and J a tensor of shape I + J.

    Args:
        func: takes the inputs, returns a tensor of one element.
        inputs, create_graph, strict: as in :func:`vjp`.

    Returns:
        One tensor, or a tuple of tuples of them if the inputs are a tuple.

    Raises:
        RuntimeError: if the function's value is not a scalar; as :func:`vjp`.
    """
    scalar = _scalar(func, "hessian")

    def slope(*args: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = jacobian(scalar, args, create_graph=True, strict=strict)
        return found

    rows = jacobian(slope, inputs if isinstance(inputs, tuple) else (inputs,), create_graph, strict)
    return rows if isinstance(inputs, tuple) else rows[0][0]


def hvp(
    func: Callable[..., Any],
    inputs: Inputs,
    v: Inputs | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensor, Any]:
    """The scalar function's value and its Hessian times ``v``.

    Args:
        func: takes the inputs, returns a tensor of one element.
        inputs, create_graph, strict: as in :func:`vjp`.
        v: a direction in the shapes of the inputs.

    Returns:
        (value, product), the product in the shapes of the inputs.

    Raises:
        RuntimeError: if the function's value is not a scalar; as :func:`vjp`.
    """
    prepared = _prepare(inputs, create_graph)
    direction = _vector(v, prepared, "hvp")
    (value,), _ = _run(_scalar(func, "hvp"), prepared, "hvp")
    with torch.autograd.enable_grad():
        slope = _gradients([value], prepared, [torch.ones_like(value.detach())], True, strict, "hvp")
    product = _gradients(slope, prepared, direction, create_graph, False, "hvp")
    return value if create_graph else value.detach(), _finish(
        product, isinstance(inputs, tuple), create_graph
    )


vhp = hvp  # the Hessian is symmetric
