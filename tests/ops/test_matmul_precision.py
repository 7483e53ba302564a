"""set_float32_matmul_precision: what each word promises, and that it is the default's no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch

# Largest error of a result, as a part of the results' root mean square; None: float32's, which is tested
# elsewhere. The sums have 147 to 1152 products of normally distributed numbers.
BOUNDS = {"highest": 1e-5, "high": 1e-4, "medium": 3e-2}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")


def convolution(images: int, channels: int = 32, kernel_size: int = 3) -> Callable[[Any], dict[str, Any]]:
    """Result and both gradients of a convolution, in the dtype asked for."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((images, channels, 12, 12))
    weight = rng.standard_normal((48, channels, kernel_size, kernel_size))
    grad = rng.standard_normal((images, 48, 12, 12))

    def run(dtype: Any) -> dict[str, Any]:
        image, kernel = (torch.tensor(a.astype(np.float32)).to(dtype).requires_grad_() for a in (x, weight))
        out = torch.nn.functional.conv2d(image, kernel, padding=kernel_size // 2)
        out.backward(torch.tensor(grad.astype(np.float32)).to(dtype))
        return {"forward": out.detach(), "grad input": image.grad, "grad weight": kernel.grad}

    return run


def product(dtype: Any) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    a, b = (rng.standard_normal(size).astype(np.float32) for size in ((130, 300), (300, 170)))
    return {"product": torch.tensor(a).to(dtype) @ torch.tensor(b).to(dtype)}


WORK = {
    "matmul": product,
    "conv of 16": convolution(16),
    "conv of 3": convolution(3),
    "first": convolution(2, 3, 7),
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("precision", BOUNDS)
def test_error_is_bounded(work: str, precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    exact, got = WORK[work](torch.float64), WORK[work](torch.float32)
    for name, expected in exact.items():
        error = (got[name].to(torch.float64) - expected).abs().max().item()
        assert error <= BOUNDS[precision] * expected.square().mean().sqrt().item(), name


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("precision", BOUNDS)
def test_same_bits_for_any_number_of_threads(work: str, precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    bits = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        bits.append([value.numpy().tobytes() for value in WORK[work](torch.float32).values()])
    assert bits[1:] == bits[:-1]


def test_the_default_is_float32_and_comes_back() -> None:
    assert torch.get_float32_matmul_precision() == "highest"
    before = product(torch.float32)["product"]
    torch.set_float32_matmul_precision("medium")
    product(torch.float32)
    torch.set_float32_matmul_precision("highest")
    assert torch.equal(product(torch.float32)["product"], before)


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("special", [float("inf"), float("nan"), 3.39e38])
def test_special_values_act_as_in_float32(precision: str, special: float) -> None:
    torch.set_float32_matmul_precision(precision)
    x, weight = torch.ones(16, 32, 8, 8), torch.ones(32, 32, 3, 3) / 1024
    x[0, 0, 0, 0] = special
    out = torch.nn.functional.conv2d(x, weight, padding=1)
    assert out[0, 0, 5, 5].item() == 288 / 1024
    assert not torch.isnan(out[1:]).any().item()
    assert np.isfinite(out[0, 0, 0, 0].item()) == np.isfinite(special)


def test_other_words_change_nothing_and_warn() -> None:
    torch.set_float32_matmul_precision("high")
    with pytest.warns(UserWarning, match="'highest', 'high' or 'medium', got 'low'"):
        torch.set_float32_matmul_precision("low")
    assert torch.get_float32_matmul_precision() == "high"
    with pytest.raises(RuntimeError, match="expects a str, but got int"):
        torch.set_float32_matmul_precision(1)  # type: ignore[arg-type]
