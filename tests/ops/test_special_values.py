"""NaN, infinities, denormals and numbers near the largest, one of them in one operand of every large kernel.

The same op in float64, where nothing is split, folded or transformed, tells what must come out: NaN and
infinity at the same places, what does not depend on the special number unharmed by it. Denormal numbers may
count as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import rushlight as torch
from rushlight.nn import functional as F

Operands = list[torch.Tensor]

SPECIAL = [math.inf, -math.inf, math.nan, 3.4e38, -3.4e38, 1e30, 1e-40, -1e-45]
LARGEST = float(np.finfo(np.float32).max)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")


def convolution(
    images: int, channels: int, size: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1,
    groups: int = 1,
) -> tuple[list[tuple[int, ...]], Callable[..., torch.Tensor]]:  # fmt: skip
    def forward(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weight, None, stride, dilation * (kernel // 2), dilation, groups)

    return [(images, channels, size, size), (outputs, channels // groups, kernel, kernel)], forward


# Name -> sizes of the operands and the op: one case at least for every way the kernels are chosen.
PRODUCTS = {
    "few rows": ([(3, 300), (300, 50)], torch.matmul),
    "small": ([(20, 30), (30, 40)], torch.matmul),
    "medium": ([(70, 65), (65, 90)], torch.matmul),
    "large": ([(130, 300), (300, 170)], torch.matmul),
    "batch": ([(5, 40, 33), (5, 33, 40)], torch.matmul),
    "matrix and vector": ([(200, 100), (100,)], torch.matmul),
    "linear": ([(16, 200), (150, 200)], F.linear),
    "convolution of one picture": convolution(1, 16, 20, 24),
    "convolution of a tiny map": convolution(1, 64, 2, 80),
    "convolution of a small map": convolution(1, 48, 8, 64),
    "convolution of a few pictures": convolution(3, 32, 14, 48),
    "convolution of sixteen pictures": convolution(16, 32, 10, 40),
    "convolution of small maps": convolution(16, 64, 4, 64),
    "convolution with a stride": convolution(16, 32, 11, 48, stride=2),
    "convolution of pixels": convolution(16, 64, 12, 64, kernel=1),
    "convolution of every second pixel": convolution(16, 64, 12, 64, kernel=1, stride=2),
    "convolution of colours": convolution(2, 3, 30, 64, kernel=7, stride=2),
    "convolution with gaps": convolution(2, 32, 14, 32, dilation=2),
    "convolution in groups": convolution(2, 64, 12, 64, groups=2),
    "convolution of each channel": convolution(2, 24, 14, 24, groups=24),
}


def operands(sizes: list[tuple[int, ...]], special: float, place: int) -> list[np.ndarray]:
    """Normally distributed, the middle of operand `place` replaced."""
    rng = np.random.default_rng(7)
    values = [rng.standard_normal(size).astype(np.float32) for size in sizes]
    flat = values[place].reshape(-1)
    flat[flat.size // 2 + 1] = special
    return values


def directions(
    op: Callable[..., torch.Tensor], values: list[np.ndarray], dtype: torch.dtype
) -> dict[str, np.ndarray]:
    """The result and the gradient of every operand, for a gradient of ones and minus ones."""
    inputs = [torch.tensor(value).to(dtype).requires_grad_() for value in values]
    result = op(*inputs)
    slope = np.random.default_rng(8).choice([-1.0, 1.0], tuple(result.shape))
    result.backward(torch.tensor(slope).to(dtype))
    found = {f"gradient {i}": x.grad.numpy() for i, x in enumerate(inputs) if x.grad is not None}
    return {"result": result.detach().numpy(), **found}


def assert_alike(found: dict[str, np.ndarray], exact: dict[str, np.ndarray], relative: float) -> None:
    for name, reference in exact.items():
        got = found[name].astype(np.float64)
        expected = np.where(np.abs(reference) > LARGEST, np.copysign(np.inf, reference), reference)
        assert np.array_equal(np.isnan(got), np.isnan(expected)), f"{name}: NaN elsewhere"
        infinite = np.isinf(expected)
        assert np.array_equal(np.isinf(got), infinite), f"{name}: infinities elsewhere"
        assert np.array_equal(got[infinite], expected[infinite]), f"{name}: signs of infinities"
        finite = np.isfinite(expected)
        # A number shares its sum with at most a thousand of size 1, and one special.
        np.testing.assert_allclose(got[finite], expected[finite], relative, 50 * relative, err_msg=name)


@pytest.mark.kernels
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("case", PRODUCTS)
def test_products(case: str, special: float) -> None:
    sizes, op = PRODUCTS[case]
    for place in range(len(sizes)):
        values = operands(sizes, special, place)
        exact = directions(op, values, torch.float64)
        for precision, relative in (("highest", 2e-6), ("high", 2e-4), ("medium", 3e-2)):
            torch.set_float32_matmul_precision(precision)
            assert_alike(directions(op, values, torch.float32), exact, relative)


def trained(x: torch.Tensor) -> torch.Tensor:
    """Batch norm as in training, with ReLU behind it as models have it."""
    ones = torch.ones(x.shape[1], dtype=x.dtype)
    return F.batch_norm(x, None, None, ones, 0.5 * ones, training=True).relu()


# Ops on one (6, 10, 9, 11) operand.
OTHERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "batch_norm in training": trained,
    "batch_norm in evaluation": lambda x: F.batch_norm(
        x, torch.ones(10, dtype=x.dtype), 2 * torch.ones(10, dtype=x.dtype)
    ),
    "layer_norm": lambda x: F.layer_norm(x, (9, 11)),
    "group_norm": lambda x: F.group_norm(x, 5),
    "softmax": lambda x: F.softmax(x, 3),
    "softmax of columns": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 3),
    "cross_entropy": lambda x: F.cross_entropy(
        x.reshape(60, 99), torch.arange(60) % 7, label_smoothing=0.1, reduction="none"
    ),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 1),
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(3),
    "sum of columns": lambda x: x.sum((0, 2, 3)),
    "mean": lambda x: x.mean((2, 3)),
    "amax": lambda x: x.amax(3),
    "amin": lambda x: x.amin((0, 2)),
    "logsumexp": lambda x: x.logsumexp(3),
    "cumsum": lambda x: x.cumsum(3),
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "hardtanh": F.hardtanh,
    "elu": F.elu,
    "add": lambda x: x + 1,
    "multiply": lambda x: x * 3,
    "divide": lambda x: 1 / x,
    "square": torch.square,
    "var": lambda x: x.var(3),
}


# Squares of 1e30 and smoothed sums of 3.4e38 overflow in float32, in PyTorch too.
OVERFLOWING = {"batch_norm in training", "layer_norm", "group_norm", "cross_entropy"}


@pytest.mark.kernels
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("case", OTHERS)
def test_others(case: str, special: float) -> None:
    if case in OVERFLOWING and 1e20 < abs(special) < math.inf:
        special = math.copysign(1e15, special)
    values = operands([(6, 10, 9, 11)], special, 0)
    exact = directions(OTHERS[case], values, torch.float64)
    assert_alike(directions(OTHERS[case], values, torch.float32), exact, 2e-6)


@pytest.mark.kernels
@pytest.mark.parametrize("case", ["batch_norm in training", "layer_norm", "group_norm"])
def test_a_variance_that_overflows_makes_zeros(case: str) -> None:
    values = operands([(6, 10, 9, 11)], 1e30, 0)
    clean = directions(OTHERS[case], operands([(6, 10, 9, 11)], 1.0, 0), torch.float32)
    for name, got in directions(OTHERS[case], values, torch.float32).items():
        assert np.isfinite(got).all(), name
        changed = got != clean[name]
        offset = 0.5 if case == "batch_norm in training" and name == "result" else 0.0
        assert changed.any(), name
        assert np.all(got[changed] == offset), name
