"""Convolutions of bfloat16 images: values, gradients, weights that stay float32, infinities, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

# (images, channels, size, outputs, kernel, stride, padding, groups): sixteen images in a tile and not, taps
# that move rows or are gathered, few channels, odd counts, maps of a few pixels (of more or less than a tile,
# of one image or several), too small for tiles.
SHAPES = [
    (16, 64, 9, 64, 3, 1, 1, 1),
    (32, 48, 7, 40, 3, 2, 1, 1),
    (16, 64, 8, 96, 1, 2, 0, 1),
    (3, 64, 14, 64, 3, 1, 1, 1),
    (2, 40, 15, 72, 3, 2, 1, 1),
    (1, 64, 12, 128, 1, 2, 0, 1),
    (2, 3, 40, 64, 7, 2, 3, 1),
    (1, 512, 8, 64, 3, 1, 1, 1),
    (2, 64, 2, 64, 3, 1, 1, 1),
    (1, 67, 4, 45, 3, 1, 1, 1),
    (1, 96, 9, 70, 3, 2, 0, 1),
    (5, 33, 3, 130, 1, 1, 0, 1),
    (1, 20, 6, 48, 5, 1, 2, 1),
    (2, 64, 10, 128, 3, 1, 1, 2),
    (2, 8, 6, 8, 3, 1, 1, 8),
    (1, 5, 4, 7, 3, 1, 1, 1),
    (0, 64, 4, 64, 3, 1, 1, 1),
    (16, 3, 18, 32, 7, 2, 3, 1),
]


def numbers(rng: np.random.Generator, *sizes: int) -> Any:
    """Numbers that are bfloat16 values."""
    return torch.from_numpy(rng.normal(size=sizes).astype(np.float32)).bfloat16()


def run(shape: tuple[int, ...], dtype: Any, weight_dtype: Any, weights: Any = None) -> list[Any]:
    """The result, and the gradients of input, weight and bias."""
    images, channels, size, outputs, kernel, stride, padding, groups = shape
    rng = np.random.default_rng(0)
    x = numbers(rng, images, channels, size, size).to(dtype).requires_grad_()
    w = (numbers(rng, outputs, channels // groups, kernel, kernel).to(weight_dtype)).requires_grad_()
    b = numbers(rng, outputs).to(weight_dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype != weight_dtype):
        y = F.conv2d(x, w, b, stride, padding, 1, groups)
    y.backward(numbers(rng, *y.shape).to(y.dtype))
    return [y.detach(), x.grad, w.grad, b.grad]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("master", ["float32", "bfloat16"])
def test_values_and_gradients(shape: tuple[int, ...], master: str) -> None:
    """Float32 sums, rounded once: to bfloat16, the gradient of a float32 weight not at all."""
    dtype = getattr(torch, master)
    found = run(shape, torch.bfloat16, dtype)
    exact = run(shape, torch.float64, torch.float64)
    assert [t.dtype for t in found] == [torch.bfloat16, torch.bfloat16, dtype, dtype]
    for name, ours, reference in zip(("y", "x", "w", "b"), found, exact, strict=True):
        rounding = 0.0 if name == "w" and master == "float32" else 2.0**-8
        want = reference.numpy()
        error = np.abs(ours.double().numpy() - want)
        assert (error <= rounding * np.abs(want) + 1e-5 * np.abs(want).max(initial=0)).all(), name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("master", ["float32", "bfloat16"])
def test_threads_do_not_change_bits(shape: tuple[int, ...], master: str) -> None:
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            results.append(run(shape, torch.bfloat16, getattr(torch, master)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[3], SHAPES[6], SHAPES[9]], ids=str)
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 3e38, 1e-39])
def test_extreme_values(shape: tuple[int, ...], value: float) -> None:
    """One such pixel reaches what it reaches in float32, and nothing else."""
    images, channels, size, outputs, kernel, stride, padding, groups = shape
    rng = np.random.default_rng(0)
    x = numbers(rng, images, channels, size, size)
    x[0, 1, 3, 3] = value
    w = numbers(rng, outputs, channels // groups, kernel, kernel)
    y = F.conv2d(x, w, None, stride, padding, 1, groups).double().numpy()
    wide = F.conv2d(x.double(), w.double(), None, stride, padding, 1, groups)
    with np.errstate(over="ignore"):
        want = wide.bfloat16().double().numpy()
    assert (np.isfinite(y) == np.isfinite(want)).all()
    assert (np.isnan(y) == np.isnan(want)).all()
    fine = np.isfinite(want)
    usual = np.abs(want[fine & (np.abs(want) < 1e30)]).max()
    error = np.abs(y[fine] - want[fine])
    assert (error <= 2.0**-7 * np.abs(want)[fine] + 1e-5 * usual).all()


@pytest.mark.parametrize("images", [1, 16])
def test_kept_weights_follow_their_values(images: int) -> None:
    """Without a graph packed weights are kept, until someone writes to them."""
    rng = np.random.default_rng(0)
    x, w = numbers(rng, images, 64, 12, 12), numbers(rng, 96, 64, 3, 3)
    first, again = F.conv2d(x, w), F.conv2d(x, w)
    assert torch.equal(first, again)
    w.mul_(2)
    assert torch.equal(F.conv2d(x, w), 2 * first)


def test_master_weights_differentiate_twice() -> None:
    rng = np.random.default_rng(0)
    x = numbers(rng, 2, 4, 6, 6).requires_grad_()
    w = numbers(rng, 3, 4, 3, 3).float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.conv2d(x, w)
    (grad,) = torch.autograd.grad(y.float().pow(2).sum(), w, create_graph=True)
    assert grad.dtype == torch.float32
    grad.pow(2).sum().backward()
    assert x.grad.dtype == torch.bfloat16
    assert w.grad.dtype == torch.float32


def test_without_autocast_types_must_agree() -> None:
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        F.conv2d(torch.ones(1, 1, 3, 3, dtype=torch.bfloat16), torch.ones(1, 1, 2, 2))
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(RuntimeError, match="must have the same dtype"),
    ):
        F.conv2d(torch.ones(1, 1, 3, 3, dtype=torch.float64), torch.ones(1, 1, 2, 2))
