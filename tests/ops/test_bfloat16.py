"""Matrix products and pooling in bfloat16: float32 sums, rounded once, in every layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F


def numbers(rng: np.random.Generator, *sizes: int) -> Any:
    """Numbers that are bfloat16 values."""
    return torch.from_numpy(rng.normal(size=sizes).astype(np.float32)).bfloat16()


def check(found: Any, exact: Any) -> None:
    assert found.dtype == torch.bfloat16
    want = exact.numpy()
    assert found.shape == exact.shape
    scale = np.abs(want).max() if want.size else 0.0
    assert (np.abs(found.double().numpy() - want) <= 2.0**-8 * np.abs(want) + 1e-5 * scale).all()


PRODUCTS = [
    (64, 64, 64),
    (33, 65, 31),
    (1, 1000, 512),
    (130, 300, 70),
    (257, 31, 4500),
    (5, 7, 3),
    (0, 4, 3),
    (4, 3, 0),
]
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda m: m,
    "transposed": lambda m: m.t().contiguous().t(),
    "strided": lambda m: torch.stack([m, m], 2).reshape(m.shape[0], 2 * m.shape[1])[:, ::2],
}


@pytest.mark.parametrize("sizes", PRODUCTS, ids=str)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_products(sizes: tuple[int, int, int], left: str, right: str) -> None:
    m, n, k = sizes
    rng = np.random.default_rng(0)
    a, b = LAYOUTS[left](numbers(rng, m, k)), LAYOUTS[right](numbers(rng, k, n))
    row, full = numbers(rng, n), numbers(rng, m, n)
    exact = a.double() @ b.double()
    check(a @ b, exact)
    check(torch.addmm(row, a, b), exact + row.double())
    check(torch.addmm(full, a, b), exact + full.double())
    check(torch.addmm(full, a, b, beta=0.5, alpha=2), exact * 2 + full.double() * 0.5)


def test_batches_of_products() -> None:
    rng = np.random.default_rng(0)
    for sizes in ((3, 40, 50, 60), (70, 3, 2, 5), (2, 200, 130, 64)):
        batch, m, n, k = sizes
        a, b = numbers(rng, batch, m, k), numbers(rng, batch, k, n)
        check(a @ b, a.double() @ b.double())


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 3e38])
def test_extreme_values_reach_their_row_only(value: float) -> None:
    rng = np.random.default_rng(0)
    a, b = numbers(rng, 50, 70), numbers(rng, 70, 45)
    clean = a @ b
    a[7, 11] = value
    found, exact = a @ b, a.double() @ b.double()
    rows = [i for i in range(50) if i != 7]
    assert torch.equal(found[rows], clean[rows])
    assert torch.equal(torch.isnan(found[7]), torch.isnan(exact[7]))
    assert torch.equal(torch.isinf(found[7]), torch.isinf(exact[7].bfloat16()))


def test_threads_do_not_change_bits() -> None:
    rng = np.random.default_rng(0)
    a, b = numbers(rng, 300, 700), numbers(rng, 700, 600)
    x = channels_last(numbers(rng, 3, 70, 13, 11))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            x.grad = None
            y = F.max_pool2d(x, 3, 2, 1)
            y.backward(torch.ones_like(y))
            results.append([a @ b, y.detach(), x.grad])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(p, q) for p, q in zip(results[0], other, strict=True))


def channels_last(x: Any) -> Any:
    """The same numbers as a convolution leaves them in memory."""
    eye = torch.eye(x.shape[1]).bfloat16()
    return F.conv2d(x, eye.view(*eye.shape, 1, 1)).requires_grad_()


@pytest.mark.parametrize("channels", [1, 16, 64, 70])
@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, 2, 3),
        lambda x: F.max_pool2d(x, (3, 2), (1, 2), dilation=2),
        lambda x: F.adaptive_max_pool2d(x, (3, 5)),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    ],
)
def test_pooling_in_both_layouts(channels: int, pool: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)
    plain = numbers(rng, 2, channels, 13, 11)
    plain[0, :, 3, 4] = float("nan")
    other = channels_last(plain)
    plain.requires_grad_()
    results = []
    for x in (plain, other):
        y = pool(x)
        y.backward(numbers(np.random.default_rng(1), *y.shape))
        results.append([y.detach(), x.grad])
    for ours, expected in zip(results[1], results[0], strict=True):
        assert ours.dtype == torch.bfloat16
        assert np.array_equal(ours.float().numpy(), expected.float().numpy(), equal_nan=True)


@pytest.mark.parametrize("sizes", [(4, 16, 5, 7), (3, 70, 4, 4), (40, 9, 1, 1), (2, 2100, 2, 3)], ids=str)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layout", [lambda x: x.requires_grad_(), channels_last], ids=["plain", "last"])
def test_batch_norm(sizes: tuple[int, ...], relu: bool, residual: bool, layout: Callable[[Any], Any]) -> None:
    """As in float64, but for the rounding of the result and of each gradient."""

    def run(dtype: Any) -> list[Any]:
        rng = np.random.default_rng(0)
        x = layout(numbers(rng, *sizes) + 3)
        more = layout(numbers(rng, *sizes)) if residual else None
        weight = numbers(rng, sizes[1]).float().requires_grad_()
        bias = numbers(rng, sizes[1]).float().requires_grad_()
        y = F.batch_norm(x.to(dtype), None, None, weight.to(dtype), bias.to(dtype), training=True)
        if dtype == torch.bfloat16 and relu:  # the fused one, with master weights
            y = torch._core.ops.batch_norm_relu(
                x, None, None, weight, bias, residual=more, training=True, momentum=0.1, eps=1e-5
            )
        else:
            y = y if more is None else y + more.to(dtype)
            y = F.relu(y) if relu else y
        y.backward(numbers(rng, *sizes).to(dtype))
        return [y.detach(), x.grad, weight.grad, bias.grad, *([more.grad] if residual else [])]

    found, exact = run(torch.bfloat16), run(torch.float64)
    for ours, reference in zip(found, exact, strict=True):
        want = reference.double().numpy()
        error = np.abs(ours.double().numpy() - want)
        # Without the fused op: of y, of the sum, of the gradients that come back through both.
        assert (error <= 2.0**-6 * np.abs(want) + 2.0**-7 * np.abs(want).max()).all()
