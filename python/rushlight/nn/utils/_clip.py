"""Clipping of gradients."""

from __future__ import annotations

from collections.abc import Iterable

from ..._core import Tensor, ops
from ...autograd.grad_mode import no_grad

Tensors = Tensor | Iterable[Tensor]


def _grads(parameters: Tensors) -> list[Tensor]:
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [param.grad for param in params if param.grad is not None]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all tensors taken as one long vector.

    Args:
        tensors: a tensor or several.
        norm_type: p of the p-norm; infinity for the largest magnitude.
        error_if_nonfinite: whether a norm that is NaN or infinite is an error.
        foreach: accepted for compatibility; the result does not depend on it.

    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite`.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return ops.zeros(())
    p = float(norm_type)
    with no_grad():
        norms = ops.stack([ops.norm(tensor.detach(), p).to(tensors[0].dtype) for tensor in tensors])
        total = ops.norm(norms, p)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients, in place, so that their common norm is at most `max_norm`.

    Args:
        parameters: tensors whose gradients to clip; those without one are skipped.
        max_norm: the bound.
        norm_type: p of the p-norm; infinity for the largest magnitude.
        error_if_nonfinite: whether a norm that is NaN or infinite is an error.
        foreach: accepted for compatibility; the result does not depend on it.

    Returns:
        The norm before clipping.

    Source: factor min(1, max_norm / (norm + 1e-6)), as PyTorch.
    """
    grads = _grads(parameters)
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    with no_grad():
        factor = (float(max_norm) / (total + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factor.to(grad.dtype))
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Clamps every element of the gradients, in place, to [-clip_value, clip_value].

    Args:
        parameters: tensors whose gradients to clip; those without one are skipped.
        clip_value: the bound.
        foreach: accepted for compatibility; the result does not depend on it.
    """
    bound = float(clip_value)
    with no_grad():
        for grad in _grads(parameters):
            grad.clamp_(min=-bound, max=bound)
