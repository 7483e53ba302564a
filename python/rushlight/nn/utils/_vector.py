"""Parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from ..._core import Tensor, ops


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters' elements in one vector, in order."""
    return ops.cat([param.reshape(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Writes the elements of a vector back into parameters (their `.data`), in order.

    Raises:
        TypeError: `vec` is not a Tensor.
        ValueError: the vector's length is not the parameters' number of elements.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    params = list(parameters)
    wanted = sum(param.numel() for param in params)
    if vec.numel() != wanted:
        raise ValueError(
            f"vector_to_parameters: the vector must have the parameters' {wanted} elements, got {vec.numel()}"
        )
    start = 0
    for param in params:
        stop = start + param.numel()
        param.data = vec[start:stop].view_as(param).data
        start = stop
