"""Weights packed once: every way to change them is seen by the next convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional


def loaded(w: Any) -> None:
    """As load_state_dict does."""
    layer = torch.nn.Conv2d(32, 40, 3, bias=False)
    layer.weight.data = w
    layer.load_state_dict({"weight": torch.ones(40, 32, 3, 3)})


CHANGES: dict[str, Callable[[Any], object]] = {
    "mul_": lambda w: w.mul_(2),
    "index": lambda w: w.__setitem__((3, 2), 7.0),
    "view": lambda w: w.view(-1)[5:9].fill_(9.0),
    "data": lambda w: w.data.add_(1),
    "detach": lambda w: w.detach().zero_(),
    "numpy": lambda w: np.multiply(w.numpy(), 3, out=w.numpy()),
    "kept array": lambda w: w.numpy().fill(2.0),
    "memoryview": lambda w: np.asarray(w).__setitem__(0, 4.0),
    "loaded": loaded,
}


@pytest.mark.parametrize("images", [1, 16])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, images: int) -> None:
    torch.manual_seed(1)
    x, w = torch.randn(images, 32, 18, 18), torch.randn(40, 32, 3, 3)
    with torch.no_grad():
        first = F.conv2d(x, w, padding=1)
        assert torch.equal(F.conv2d(x, w, padding=1), first)
        CHANGES[change](w)
        after = F.conv2d(x, w, padding=1)
        assert torch.equal(after, F.conv2d(x, w.clone(), padding=1))
        assert not torch.equal(after, first)


def test_an_array_held_on_to_is_seen_at_every_call() -> None:
    x, w = torch.randn(1, 32, 18, 18), torch.randn(40, 32, 3, 3)
    with torch.no_grad():
        F.conv2d(x, w)
        array = w.numpy()
        for value in (1.0, 2.0, 3.0):
            array[...] = value
            assert torch.equal(F.conv2d(x, w), F.conv2d(x, torch.full((40, 32, 3, 3), value)))


def test_an_optimizer_step_is_seen() -> None:
    layer = torch.nn.Conv2d(32, 40, 3)
    x = torch.randn(1, 32, 18, 18)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5, momentum=0.9)
    for _ in range(3):
        with torch.no_grad():
            layer(x)
        layer(x).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            assert torch.equal(layer(x), F.conv2d(x, layer.weight.clone(), layer.bias))


def test_one_weight_with_several_uses() -> None:
    torch.manual_seed(2)
    x, w = torch.randn(16, 32, 18, 18), torch.randn(40, 32, 3, 3)
    uses: list[Callable[[Any], Any]] = [
        lambda w: F.conv2d(x, w, padding=1),
        lambda w: F.conv2d(x, w, stride=2),
        lambda w: F.conv2d(x[:1], w),
        lambda w: F.conv2d(x, w[:32]),
        lambda w: F.conv2d(x, w[8:]),
        lambda w: F.conv2d(x[:, :16], w.view(80, 16, 3, 3)),
        lambda w: F.conv2d(x, w.view(80, 16, 3, 3), groups=2),
    ]
    with torch.no_grad():
        for use in (*uses, *reversed(uses)):
            assert torch.equal(use(w), use(w.clone()))


def test_precision_may_change_between_calls() -> None:
    x, w = torch.randn(16, 32, 18, 18), torch.randn(40, 32, 3, 3)
    with torch.no_grad():
        first = F.conv2d(x, w)
        try:
            torch.set_float32_matmul_precision("medium")
            F.conv2d(x, w)
        finally:
            torch.set_float32_matmul_precision("highest")
        assert torch.equal(F.conv2d(x, w), first)
