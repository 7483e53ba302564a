"""The fused optimiser step against its formula; optim.SGD is tested in tests/optim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight
from tests.ops.run import to_numpy

SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.1, "weight_decay": 0.01, "maximize": True},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
]


def formula(param: Any, grad: Any, steps: int, setting: dict[str, Any]) -> Any:
    """PyTorch's documented algorithm."""
    buffer = None
    for _ in range(steps):
        g = -grad if setting.get("maximize") else grad
        g = g + setting.get("weight_decay", 0.0) * param
        momentum = setting.get("momentum", 0.0)
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - setting.get("dampening", 0.0)) * g
            g = g + momentum * buffer if setting.get("nesterov") else buffer
        param = param - setting["lr"] * g
    return param


def run(param: Any, grad: Any, steps: int, setting: dict[str, Any]) -> None:
    run_all([param], [grad], steps, setting)


def run_all(params: list[Any], grads: list[Any], steps: int, setting: dict[str, Any]) -> None:
    buffers = [param.detach().clone() for param in params] if "momentum" in setting else []
    for step in range(steps):
        rushlight.ops.sgd_step_(params, grads, buffers, first_step=step == 0, **setting)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("shape", [(), (0,), (33,), (3, 70001)])
def test_follows_the_formula(setting: dict[str, Any], shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    values, slopes = rng.standard_normal(shape), rng.standard_normal(shape)
    param, grad = (rushlight.tensor(np.asarray(a), dtype=rushlight.float64) for a in (values, slopes))
    run(param, grad, 3, setting)
    np.testing.assert_allclose(to_numpy(param), formula(values, slopes, 3, setting), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("size", [1, 33, 70001])
def test_bfloat16_is_computed_in_float32(setting: dict[str, Any], size: int) -> None:
    """Parameter and buffer are rounded on their way to memory, once a step."""
    generator = rushlight.Generator().manual_seed(0)
    param, grad = (rushlight.randn(size, generator=generator).bfloat16() for _ in range(2))
    wide, slope = param.float(), grad.float()
    buffers = [[rushlight.zeros_like(p)] if "momentum" in setting else [] for p in (param, wide)]
    for step in range(3):
        for p, g, b in ((param, grad, buffers[0]), (wide, slope, buffers[1])):
            rushlight.ops.sgd_step_([p], [g], b, first_step=step == 0, **setting)
        wide = wide.bfloat16().float()
        buffers[1] = [b.bfloat16().float() for b in buffers[1]]
        assert rushlight.equal(param.float(), wide)


def test_operands_of_other_memory_order() -> None:
    values = np.arange(12, dtype=np.float64).reshape(3, 4)
    param = rushlight.tensor(values.T.copy()).t()
    grad = rushlight.tensor(values)
    run(param, grad, 2, {"lr": 0.5, "momentum": 0.9})
    expected = formula(values, values, 2, {"lr": 0.5, "momentum": 0.9})
    np.testing.assert_allclose(to_numpy(param), expected, rtol=1e-13)


def test_bumps_the_version() -> None:
    param = rushlight.tensor([1.0, 2.0])
    before = param._version
    run(param, rushlight.tensor([1.0, 1.0]), 1, {"lr": 0.5})
    assert param._version > before
    assert param.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("threads", [1, 3])
def test_many_parameters_at_once_are_as_one_by_one(threads: int) -> None:
    """Sizes that leave remainders of vectors and of pieces, all types, and none at all."""
    rng = np.random.default_rng(1)
    shapes: list[tuple[int, ...]] = [(), (7,), (0,), (3, 70001), (1,), (64,), (32768,), (5, 13)]
    types = [rushlight.float32, rushlight.float64, rushlight.bfloat16]
    setting = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}

    def tensors() -> list[Any]:
        return [rushlight.tensor(rng.standard_normal(s), dtype=types[i % 3]) for i, s in enumerate(shapes)]

    params, grads = tensors(), tensors()
    expected = [param.clone() for param in params]
    before = rushlight.get_num_threads()
    rushlight.set_num_threads(threads)
    try:
        run_all(params, grads, 2, setting)
    finally:
        rushlight.set_num_threads(before)
    for param, grad, other in zip(params, grads, expected, strict=True):
        run(other, grad, 2, setting)
        np.testing.assert_array_equal(to_numpy(param), to_numpy(other))
    run_all([], [], 1, setting)


@pytest.mark.parametrize("dtype", [rushlight.bfloat16, rushlight.float16], ids=str)
def test_half_precision_is_computed_in_float32(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    param, grad = (rushlight.tensor(rng.standard_normal((5, 13))).to(dtype) for _ in range(2))
    exact, slope = param.float(), grad.float()
    setting = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    run(param, grad, 1, setting)
    run(exact, slope, 1, setting)
    assert param.dtype == dtype
    assert rushlight.equal(param, exact.to(dtype))


def test_parameters_that_share_memory_are_stepped_in_turn() -> None:
    both = rushlight.tensor([1.0, 2.0])
    ones = rushlight.ones(2)
    run_all([both, both.view(2)], [ones, ones], 1, {"lr": 0.25})
    assert both.tolist() == [0.5, 1.5]


def test_refuses_what_does_not_fit() -> None:
    param = rushlight.tensor([1.0, 2.0])
    step = rushlight.ops.sgd_step_
    with pytest.raises(RuntimeError, match=r"grad must look like param \(\(2,\), float32\), got \(3,\)"):
        step([param], [rushlight.tensor([1.0, 2.0, 3.0])], [], lr=0.1)
    with pytest.raises(RuntimeError, match=r"momentum 0\.9, 1 parameters and 0 buffers"):
        step([param], [param.clone()], [], lr=0.1, momentum=0.9)
    with pytest.raises(RuntimeError, match="1 parameters and 0 gradients"):
        step([param], [], [], lr=0.1)
    with pytest.raises(RuntimeError, match="expected a floating parameter, got int64"):
        step([rushlight.tensor([1])], [rushlight.tensor([1])], [], lr=0.1)
