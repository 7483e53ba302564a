"""Jacobians, by differences and by backward, for gradcheck.

A Jacobian here is a float64 tensor of shape (elements of the input, elements of the output).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import rushlight as torch
from rushlight._core import Tensor
from rushlight.autograd._backward import grad

Call = Callable[[], tuple[Tensor, ...]]  # the function under test on its (fixed) inputs


def positions(tensor: Tensor) -> Iterator[tuple[int, ...]]:
    """Indices of all elements, in row-major order."""
    return itertools.product(*(range(size) for size in tensor.shape))


def one_hot(like: Tensor, position: tuple[int, ...]) -> Tensor:
    """Zeros but for a one at ``position``."""
    unit = torch.zeros_like(like.detach())
    unit[position] = 1
    return unit


def _columns_to_tensor(rows: Sequence[Tensor], shape: tuple[int, int]) -> Tensor:
    return torch.stack(list(rows)) if rows and shape[1] else torch.zeros(*shape, dtype=torch.float64)


def numerical(call: Call, tensor: Tensor, eps: float) -> list[Tensor]:
    """Central differences of every output for one input, which is changed in place and restored."""
    data = tensor.detach()
    counts = [output.numel() for output in call()]
    rows: list[list[Tensor]] = [[] for _ in counts]
    for position in positions(data):
        before = data[position].item()
        data[position] = before + eps
        above = [output.detach().clone() for output in call()]
        data[position] = before - eps
        below = [output.detach().clone() for output in call()]
        data[position] = before
        for row, high, low in zip(rows, above, below, strict=True):
            row.append(((high - low) / (2 * eps)).to(torch.float64).reshape(-1))
    return [_columns_to_tensor(row, (tensor.numel(), count)) for row, count in zip(rows, counts, strict=True)]


def numerical_along(call: Call, tensor: Tensor, direction: Tensor, eps: float) -> list[Tensor]:
    """Central differences of every output along one direction of one input."""
    data = tensor.detach()
    before = data.clone()
    data.copy_(before + eps * direction)
    above = [output.detach().clone() for output in call()]
    data.copy_(before - eps * direction)
    below = [output.detach().clone() for output in call()]
    data.copy_(before)
    return [((high - low) / (2 * eps)).to(torch.float64) for high, low in zip(above, below, strict=True)]


def analytical(output: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Jacobians of one output by backward, one run an output element, for every input."""
    columns: list[list[Tensor]] = [[] for _ in inputs]
    for position in positions(output):
        found = grad(output, inputs, one_hot(output, position), retain_graph=True, allow_unused=True)
        for column, tensor, one in zip(columns, inputs, found, strict=True):
            given = torch.zeros_like(tensor.detach()) if one is None else one.detach()
            column.append(given.to(torch.float64).reshape(-1))
    return [
        _columns_to_tensor(column, (output.numel(), tensor.numel())).t()
        for column, tensor in zip(columns, inputs, strict=True)
    ]
