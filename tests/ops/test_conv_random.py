"""Convolutions of random shapes in every precision, against the engine's own float64 ones.

The cases in tests/ops/cases and tests/cpp are chosen; what nobody thought of (results that read padding only,
strips that do not divide a map) is found by chance.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

SIDES = [1, 2, 3, 4, 5, 7, 8, 9, 14, 16, 17, 28, 33, 56]
CHANNELS = [1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 48, 64, 65, 96, 128, 200]
KERNELS = [(1, 1), (3, 3), (3, 3), (1, 3), (5, 2), (7, 7), (2, 2)]
# Largest error, of the result's root mean square.
ERRORS = {"highest": 2e-5, "high": 3e-4, "medium": 0.1, "bfloat16": 0.1}
MOST_PRODUCTS = 60_000_000


def random_case(rng: random.Random) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]] | None:
    """Sizes of input and weight and the arguments; None where there is no result, or too much to do."""
    groups = rng.choice([1, 1, 1, 2, 3])
    channels, outputs = (-(-rng.choice(CHANNELS) // groups) * groups for _ in range(2))
    if rng.random() < 0.1:  # depthwise
        groups, outputs = channels, channels * rng.choice([1, 2])
    kernel = rng.choice(KERNELS)
    stride = (rng.choice([1, 1, 2, 3]),) * 2 if rng.random() < 0.7 else (2, 1)
    dilation = (rng.choice([1, 1, 1, 2]), rng.choice([1, 1, 3]))
    padding = (rng.choice([0, kernel[0] // 2, 3]), rng.choice([0, kernel[1] // 2]))
    images, sides = rng.choice([1, 1, 2, 3, 4, 16, 33]), (rng.choice(SIDES), rng.choice(SIDES))
    out = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, p, d, k, s in zip(sides, padding, dilation, kernel, stride, strict=True)
    ]
    weight = (outputs, channels // groups, *kernel)
    if min(out) < 1 or images * out[0] * out[1] * int(np.prod(weight)) > MOST_PRODUCTS:
        return None
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (images, channels, *sides), weight, arguments


def directions(values: list[Any], dtype: Any, last: bool, arguments: dict[str, Any]) -> list[Any]:
    """The result and the gradients of input, weight and bias, as float64 arrays."""
    x, weight, bias, slope = (torch.from_numpy(value).to(dtype) for value in values)
    if last:  # channels last in memory
        x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    for leaf in (x, weight, bias):
        leaf.requires_grad_()
    result = F.conv2d(x, weight, bias, **arguments)
    result.backward(slope)
    return [tensor.double().numpy() for tensor in (result.detach(), x.grad, weight.grad, bias.grad)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("precision", ERRORS)
def test_three_directions(precision: str, seed: int) -> None:
    """A hundred draws a seed; most have a result and are small enough."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if precision == "bfloat16" else precision)
    try:
        for case in filter(None, (random_case(rng) for _ in range(100))):
            input_sizes, weight_sizes, arguments = case
            values = [
                numbers.standard_normal(sizes) for sizes in (input_sizes, weight_sizes, weight_sizes[:1])
            ]
            sizes = F.conv2d(*(torch.from_numpy(value) for value in values[:2]), **arguments).shape
            values.append(numbers.standard_normal(tuple(sizes)))
            # Rounded first, so that products alone differ.
            values = [torch.from_numpy(value).to(dtype).double().numpy() for value in values]
            last = rng.random() < 0.5
            exact = directions(values, torch.float64, last, arguments)
            for name, found, right in zip(
                ["result", "input", "weight", "bias"],
                directions(values, dtype, last, arguments),
                exact,
                strict=True,
            ):
                error = np.abs(found - right).max() / np.sqrt(np.mean(right**2) + 1e-30)
                assert error < ERRORS[precision], (
                    f"{name}, {input_sizes} {weight_sizes} {arguments}: {error:.1e}"
                )
    finally:
        torch.set_float32_matmul_precision(before)
