"""Weight gradients of few pixels, which are computed when somebody looks: nobody can tell."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight import nn
from tests.ops.run import to_numpy

F = nn.functional
# in, out, kernel, image, images, options: 1 to 16 result pixels, odd sizes around the registers.
SHAPES: list[tuple[int, int, int, int, int, dict[str, Any]]] = [
    (64, 64, 3, 2, 1, {"padding": 1}),
    (64, 130, 3, 4, 1, {"padding": 1}),
    (33, 127, 3, 7, 1, {"padding": 1, "stride": 2}),
    (129, 67, 3, 3, 1, {"padding": 1}),
    (301, 255, 1, 5, 1, {"stride": 2}),
    (257, 131, 1, 1, 7, {}),
    (40, 41, 5, 6, 3, {}),
]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.01, "maximize": True},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    {"momentum": 0.9, "nesterov": True, "maximize": True},
]


def make(shape: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """An image, a weight that wants a gradient, and the gradient of their convolution."""
    channels, outputs, kernel, size, images, options = shape
    generator = rushlight.Generator().manual_seed(0)
    image = rushlight.randn(images, channels, size, size, generator=generator)
    weight = rushlight.randn(outputs, channels, kernel, kernel, generator=generator).requires_grad_()
    with rushlight.no_grad():
        result = F.conv2d(image, weight, **options)
    return image, weight, rushlight.randn(*result.shape, generator=generator)


def backward(shape: tuple[Any, ...], image: Any, weight: Any, grad: Any) -> None:
    F.conv2d(image, weight, **shape[-1]).backward(grad)


def expected(shape: tuple[Any, ...], image: Any, weight: Any, grad: Any) -> np.ndarray[Any, Any]:
    (wanted,) = rushlight.autograd.grad(
        F.conv2d(image.double(), weight.double(), **shape[-1]), weight, grad.double()
    )
    return to_numpy(wanted)


def close(got: Any, wanted: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(to_numpy(got), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape: tuple[Any, ...]) -> None:
    image, weight, grad = make(shape)
    wanted = expected(shape, image, weight, grad)
    backward(shape, image, weight, grad)
    close(weight.grad, wanted)
    backward(shape, image, weight, grad)  # adds
    close(weight.grad, 2 * wanted)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_is_the_same_whether_somebody_looked(
    shape: tuple[Any, ...], setting: dict[str, Any], threads: int
) -> None:
    before = rushlight.get_num_threads()
    rushlight.set_num_threads(threads)
    try:
        image, first, grad = make(shape)
        second = first.detach().clone().requires_grad_()
        others = [rushlight.ones(3, requires_grad=True) for _ in range(2)]
        for weight, other in zip((first, second), others, strict=True):
            optimizer = rushlight.optim.SGD([other, weight], lr=0.1, **setting)
            for _ in range(3):
                optimizer.zero_grad()
                other.sum().backward()
                backward(shape, image, weight, grad)
                if weight is second:
                    assert weight.grad.isfinite().all()
                optimizer.step()
        assert rushlight.equal(first, second)
        assert rushlight.equal(first.grad, second.grad)  # after the step, too
        assert rushlight.equal(*others)
    finally:
        rushlight.set_num_threads(before)


def test_it_takes_no_memory_until_somebody_looks() -> None:
    shape = (256, 256, 3, 2, 1, {"padding": 1})
    image, weight, grad = make(shape)
    before = rushlight.memory_stats()["allocated_bytes"]
    backward(shape, image, weight, grad)
    assert rushlight.memory_stats()["allocated_bytes"] - before < weight.nbytes / 4
    assert weight.grad.shape == weight.shape
    assert weight.grad[0, 0, 0, 0].isfinite()
    assert rushlight.memory_stats()["allocated_bytes"] - before >= weight.nbytes


@pytest.mark.parametrize(
    "look",
    [
        lambda grad: grad.numpy(),
        lambda grad: grad.clone(),
        lambda grad: grad.view(-1)[:7],
        lambda grad: grad.data_ptr(),
        lambda grad: copy.deepcopy(grad),
        lambda grad: grad.mul_(1.0),
        lambda grad: repr(grad),
    ],
)
def test_whoever_looks_sees_it(look: Any) -> None:
    image, weight, grad = make(SHAPES[0])
    wanted = expected(SHAPES[0], image, weight, grad)
    backward(SHAPES[0], image, weight, grad)
    look(weight.grad)
    close(weight.grad, wanted)


def test_operands_may_change_meanwhile() -> None:
    image, weight, grad = make(SHAPES[0])
    wanted = expected(SHAPES[0], image, weight, grad)
    backward(SHAPES[0], image, weight, grad)
    with rushlight.no_grad():
        for tensor in (image, weight, grad):
            tensor.zero_()
    close(weight.grad, wanted)


def test_changed_gradients_count() -> None:
    """Clipping, adding in place, replacing it in a hook: the step takes what is there then."""
    image, weight, grad = make(SHAPES[0])
    wanted = expected(SHAPES[0], image, weight, grad)
    start = to_numpy(weight).copy()
    optimizer = rushlight.optim.SGD([weight], lr=1.0)
    handle = weight.register_hook(lambda g: 2 * g)
    backward(SHAPES[0], image, weight, grad)
    handle.remove()
    weight.grad.add_(1.0)
    nn.utils.clip_grad_value_([weight], 0.5)
    optimizer.step()
    close(weight, start - np.clip(2 * wanted + 1, -0.5, 0.5))
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    close(weight, start - np.clip(2 * wanted + 1, -0.5, 0.5))


def test_conv1d() -> None:
    """Its gradient is a view of the two-dimensional one."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((150, 140, 3)).astype(np.float32)
    weight = rushlight.from_numpy(values.copy()).requires_grad_()
    signal = rushlight.from_numpy(rng.standard_normal((1, 140, 6)).astype(np.float32))
    (wanted,) = rushlight.autograd.grad(F.conv1d(signal, weight).sum(), weight)
    F.conv1d(signal, weight).sum().backward()
    rushlight.optim.SGD([weight], lr=0.5).step()
    np.testing.assert_allclose(to_numpy(weight), values - 0.5 * to_numpy(wanted), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 5, 16, 17])
def test_linear(rows: int) -> None:
    """Its gradient reaches the weight through a transposed view."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((301, 257)).astype(np.float32)
    source = rushlight.from_numpy(rng.standard_normal((rows, 257)).astype(np.float32))
    slope = rushlight.from_numpy(rng.standard_normal((rows, 301)).astype(np.float32))
    weights = [rushlight.from_numpy(values.copy()).requires_grad_() for _ in range(2)]
    for weight in weights:
        optimizer = rushlight.optim.SGD([weight], lr=0.5, momentum=0.9)
        for _ in range(2):
            optimizer.zero_grad()
            F.linear(source, weight).backward(slope)
            assert weight.grad.is_contiguous()
            if weight is weights[1]:
                np.testing.assert_allclose(
                    to_numpy(weight.grad), to_numpy(slope).T @ to_numpy(source), rtol=1e-4, atol=1e-4
                )
            optimizer.step()
    assert rushlight.equal(*weights)


def test_several_threads_may_look() -> None:
    image, weight, grad = make(SHAPES[1])
    wanted = expected(SHAPES[1], image, weight, grad)

    def clone(seen: list[Any]) -> None:
        seen.append(weight.grad.clone())

    for _ in range(20):
        weight.grad = None
        backward(SHAPES[1], image, weight, grad)
        seen: list[Any] = []
        threads = [threading.Thread(target=clone, args=(seen,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 4
        for found in seen:
            close(found, wanted)
