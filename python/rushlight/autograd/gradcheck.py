"""Numerical checks of gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rushlight as torch
from rushlight._core import Tensor
from rushlight.autograd import _jacobian
from rushlight.autograd._backward import grad
from rushlight.autograd.function import Function

Inputs = Tensor | Sequence[Any]


class GradcheckError(RuntimeError):
    """A gradient that gradcheck found wrong."""


@dataclass(frozen=True)
class _Limits:
    eps: float
    atol: float
    rtol: float
    nondet_tol: float


def gradcheck(
    func: Callable[..., Any],
    inputs: Inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares gradients by backward with central differences.

    The defaults suit float64; the points must lie away from kinks by more than ``eps``.

    Args:
        func: takes the inputs, returns a tensor or a tuple of them (others are ignored).
        inputs: a tensor or a sequence; those that require grad are checked.
        eps: step of the differences.
        atol, rtol: ``|analytical - numerical| <= atol + rtol * |numerical|`` must hold for every element.
        raise_exception: with False, a failure gives False instead of an exception.
        nondet_tol: how far two backward runs may differ.
        check_undefined_grad: also send undefined gradients back, which every backward must take for zeros.
        check_grad_dtypes: also check that gradients have their input's dtype.
        check_batched_grad, check_batched_forward_grad, check_forward_ad: not supported.
        check_backward_ad: must be True.
        fast_mode: compare one random projection of each Jacobian instead of all its elements.
        masked: no effect: there are no sparse tensors.

    Returns:
        True if everything agrees; False, only with ``raise_exception=False``, otherwise.

    Raises:
        GradcheckError (a RuntimeError): which output and input disagree, with both Jacobians.
        ValueError: if no input requires grad.
        NotImplementedError: for an unsupported check.

    Source: torch.autograd.gradcheck.
    """
    _refuse_unsupported(
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
    )
    if not check_backward_ad:
        raise ValueError("gradcheck: check_backward_ad=False leaves nothing to check")
    limits = _Limits(eps, atol, rtol, nondet_tol)
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _check_inputs(given)
        _gradcheck(func, given, limits, check_undefined_grad, check_grad_dtypes, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Inputs,
    grad_outputs: Inputs | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compares second derivatives: gradcheck of the function (inputs, grad_outputs) -> gradients.

    Args:
        func, inputs: as in :func:`gradcheck`.
        grad_outputs: gradients to send back; default: random ones.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.
        check_fwd_over_rev: not supported.
        check_rev_over_rev: must be True.
        eps, atol, rtol, raise_exception, nondet_tol, check_undefined_grad, check_grad_dtypes,
            check_batched_grad, fast_mode, masked: as in :func:`gradcheck`.

    Returns:
        As :func:`gradcheck`.

    Raises:
        As :func:`gradcheck`.

    Source: torch.autograd.gradgradcheck.
    """
    _refuse_unsupported(check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev)
    if not check_rev_over_rev:
        raise ValueError("gradgradcheck: check_rev_over_rev=False leaves nothing to check")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        outputs = _differentiable(func(*given))
        weights = tuple(_random_gradient(output, gen_non_contig_grad_outputs) for output in outputs)
    else:
        weights = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    count = len(given)

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        arguments = args[:count]
        wanted = [arg for arg in arguments if isinstance(arg, Tensor) and arg.requires_grad]
        outputs = _differentiable(func(*arguments))
        found = grad(outputs, wanted, args[count:], create_graph=True, allow_unused=True)
        return tuple(one for one in found if one is not None)

    return gradcheck(
        gradients,
        given + weights,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )


def _refuse_unsupported(**checks: bool) -> None:
    for name, wanted in checks.items():
        if wanted:
            raise NotImplementedError(f"gradcheck: {name}=True is not supported")


def _random_gradient(output: Tensor, spread: bool) -> Tensor:
    if spread:
        return torch.randn(*output.shape, 2, dtype=output.dtype)[..., 0].requires_grad_(True)
    return torch.randn(*output.shape, dtype=output.dtype).requires_grad_(True)


def _tensors(outputs: Any) -> tuple[Tensor, ...]:
    given = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    return tuple(one for one in given if isinstance(one, Tensor))


def _differentiable(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(one for one in _tensors(outputs) if one.requires_grad)


def _wanted(inputs: Sequence[Any]) -> list[tuple[int, Tensor]]:
    """The inputs to check, with their places."""
    return [(n, one) for n, one in enumerate(inputs) if isinstance(one, Tensor) and one.requires_grad]


def _check_inputs(inputs: Sequence[Any]) -> None:
    wanted = _wanted(inputs)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    for place, tensor in wanted:
        if tensor.dtype != torch.float64:
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail if all the inputs are not of double precision floating point or "
                "complex. ",
                stacklevel=3,
            )
        if any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
        if not tensor.is_leaf:
            tensor.retain_grad()


def _gradcheck(
    func: Callable[..., Any],
    inputs: Sequence[Any],
    limits: _Limits,
    undefined: bool,
    dtypes: bool,
    fast: bool,
) -> None:
    wanted = _wanted(inputs)
    tensors = [tensor for _, tensor in wanted]
    outputs = _differentiable(func(*inputs))
    if not outputs:
        _check_no_gradient(func, inputs, wanted, limits)
        return
    places = [n for n, one in enumerate(_tensors(func(*inputs))) if one.requires_grad]

    def call() -> tuple[Tensor, ...]:
        found = _tensors(func(*inputs))
        return tuple(found[n] for n in places)

    compare = _compare_projections if fast else _compare_jacobians
    compare(call, wanted, limits)
    _check_zero_gradient(_differentiable(func(*inputs)), wanted, dtypes)
    if undefined:
        _check_undefined(lambda: _differentiable(func(*inputs)), tensors)


def _check_no_gradient(
    func: Callable[..., Any], inputs: Sequence[Any], wanted: Sequence[tuple[int, Tensor]], limits: _Limits
) -> None:
    """Nothing requires grad: then nothing may depend on the inputs."""

    def call() -> tuple[Tensor, ...]:
        return tuple(one for one in _tensors(func(*inputs)) if one.is_floating_point())

    for place, tensor in wanted:
        for number, jacobian in enumerate(_jacobian.numerical(call, tensor, limits.eps)):
            if bool((jacobian.abs() > limits.atol).any()):
                raise GradcheckError(
                    f"Numerical gradient for function expected to be zero: output {number} does not require "
                    f"grad but depends on input {place},\nnumerical:{jacobian}\n"
                )


def _close(analytical: Tensor, numerical: Tensor, limits: _Limits) -> bool:
    return bool(((analytical - numerical).abs() <= limits.atol + limits.rtol * numerical.abs()).all())


def _mismatch(
    output: int, place: int, numerical: Tensor, analytical: Tensor, hint: str = ""
) -> GradcheckError:
    return GradcheckError(
        f"{hint}Jacobian mismatch for output {output} with respect to input {place},\n"
        f"numerical:{numerical}\nanalytical:{analytical}\n"
    )


def _check_reentrant(first: Tensor, second: Tensor, number: int, place: int, limits: _Limits) -> None:
    if bool(((first - second).abs() > limits.nondet_tol).any()):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
            f"times gives different values (output {number}, input {place}), although analytical gradient "
            f"matches numerical gradient. The tolerance for nondeterminism was {limits.nondet_tol}."
        )


def _compare_jacobians(call: _jacobian.Call, wanted: Sequence[tuple[int, Tensor]], limits: _Limits) -> None:
    tensors = [tensor for _, tensor in wanted]
    numerical = [_jacobian.numerical(call, tensor, limits.eps) for tensor in tensors]
    for number, output in enumerate(call()):  # after the differences, which change the inputs in place
        first = _jacobian.analytical(output, tensors)
        second = _jacobian.analytical(output, tensors)
        for column, (place, _) in enumerate(wanted):
            if not _close(first[column], numerical[column][number], limits):
                raise _mismatch(number, place, numerical[column][number], first[column])
            _check_reentrant(first[column], second[column], number, place, limits)


def _compare_projections(call: _jacobian.Call, wanted: Sequence[tuple[int, Tensor]], limits: _Limits) -> None:
    """u . (J v) by differences against (u J) . v by backward, for random u and v."""
    tensors = [tensor for _, tensor in wanted]
    outputs = call()
    weights = [torch.randn(*output.shape, dtype=output.dtype) for output in outputs]
    found = [
        grad(o, tensors, w, retain_graph=True, allow_unused=True)
        for o, w in zip(outputs, weights, strict=True)
    ]
    for column, (place, tensor) in enumerate(wanted):
        direction = torch.randn(*tensor.shape, dtype=tensor.dtype)
        along = _jacobian.numerical_along(call, tensor, direction, limits.eps)
        for number, weight in enumerate(weights):
            gradient = found[number][column]
            analytical = (torch.zeros_like(direction) if gradient is None else gradient.detach()) * direction
            numerical = along[number] * weight
            if not _close(analytical.sum(), numerical.sum(), limits):
                hint = "Gradients failed to compare equal in fast mode, for one random projection. "
                raise _mismatch(number, place, numerical.sum(), analytical.sum(), hint)


def _check_zero_gradient(
    outputs: Sequence[Tensor], wanted: Sequence[tuple[int, Tensor]], dtypes: bool
) -> None:
    """A zero gradient sent back gives zeros, in the shape (and dtype) of the inputs."""
    tensors = [tensor for _, tensor in wanted]
    zeros = [torch.zeros_like(output.detach()) for output in outputs]
    found = grad(outputs, tensors, zeros, retain_graph=True, allow_unused=True)
    if all(one is None for one in found):
        raise GradcheckError(
            "no Tensors requiring grad found in the inputs' history: backward reached none of them"
        )
    for (place, tensor), one in zip(wanted, found, strict=True):
        if one is None:
            continue
        if bool((one != 0).any()):
            raise GradcheckError(f"backward not multiplied by grad_output: input {place}")
        if tuple(one.shape) != tuple(tensor.shape):
            raise GradcheckError(
                f"grad is incorrect size: input {place}, {tuple(one.shape)} for {tuple(tensor.shape)}"
            )
        if dtypes and one.dtype != tensor.dtype:
            raise GradcheckError(f"grad is incorrect type: input {place}, {one.dtype} for {tensor.dtype}")


class _UndefinedGradient(Function):
    """Identity that sends no gradient back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> None:
        return None


def _check_undefined(run: Callable[[], tuple[Tensor, ...]], tensors: Sequence[Tensor]) -> None:
    """Undefined gradients, for all outputs and for each alone, count as zeros."""
    count = len(run())
    cases = [set(range(count))] + ([{n} for n in range(count)] if count > 1 else [])
    for case in cases:
        outputs = [_UndefinedGradient.apply(one) if n in case else one for n, one in enumerate(run())]
        zeros = [torch.zeros_like(one.detach()) for one in outputs]
        try:
            found = grad(outputs, tensors, zeros, allow_unused=True)
        except Exception as error:
            raise GradcheckError(
                "Expected backward function to handle undefined output grads. Outputs with undefined "
                f"gradients: {sorted(case)}; the rest had zeros. It raised: {error}"
            ) from error
        if any(one is not None and bool((one != 0).any()) for one in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or "
                f"zero. Outputs with undefined gradients: {sorted(case)}."
            )
