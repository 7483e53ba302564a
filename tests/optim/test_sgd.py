"""SGD against the formulas of its docstring, step by step in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.optim import SGD
from tests.helpers import check_raises


def reference(p: Any, grads: list[Any], lr: float, **options: Any) -> tuple[Any, Any]:
    """Parameter and velocity after one step a gradient."""
    momentum, dampening = options.get("momentum", 0), options.get("dampening", 0)
    velocity = None
    for grad in grads:
        g = -grad if options.get("maximize") else grad
        g = g + options.get("weight_decay", 0) * p
        if momentum:
            velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if options.get("nesterov") else velocity
        p = p - lr * g
    return p, velocity


OPTIONS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"momentum": 0.5, "weight_decay": 0.01, "maximize": True},
    {"momentum": 0.5, "weight_decay": 0.01, "nesterov": True, "maximize": True},
]


# Sizes around SIMD widths, one large enough for several threads.
@pytest.mark.parametrize("size", [1, 7, 17, 100_003])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_steps(options: dict[str, Any], size: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    start = rng.normal(size=size).astype(dtype)
    grads = [rng.normal(size=size).astype(dtype) for _ in range(4)]
    param = nn.Parameter(rl.from_numpy(start.copy()))
    optimizer = SGD([param], lr=0.1, **options)
    for grad in grads:
        param.grad = rl.from_numpy(grad.copy())
        assert optimizer.step() is None
    expected, velocity = reference(
        start.astype(np.float64), [g.astype(np.float64) for g in grads], 0.1, **options
    )
    tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(param.detach().numpy(), expected, **tolerance)
    if velocity is not None:
        np.testing.assert_allclose(optimizer.state[param]["momentum_buffer"].numpy(), velocity, **tolerance)
    else:
        assert not optimizer.state
    assert param.grad.tolist() == grads[-1].tolist()  # the gradient is left alone


def test_transposed_parameter() -> None:
    param = nn.Parameter(rl.zeros(3, 4).t())
    param.grad = rl.arange(12, dtype=rl.float32).view(4, 3)
    SGD([param], lr=1.0, momentum=0.5).step()
    assert param.tolist() == (-param.grad).tolist()


def test_parameters_without_gradient_are_left_alone() -> None:
    used, unused = nn.Parameter(rl.ones(2)), nn.Parameter(rl.ones(2))
    optimizer = SGD([used, unused], lr=0.5, momentum=0.9, weight_decay=0.1)
    used.grad = rl.ones(2)
    optimizer.step()
    assert unused.tolist() == [1, 1]
    assert list(optimizer.state) == [used]


def test_step_bumps_the_version() -> None:
    param = nn.Parameter(rl.ones(2))
    out = (param * param).sum()
    param.grad = rl.ones(2)
    SGD([param], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_groups_have_their_own_options() -> None:
    a, b = nn.Parameter(rl.ones(1)), nn.Parameter(rl.ones(1))
    optimizer = SGD([{"params": a, "lr": 0.5}, {"params": [b], "momentum": 0.9}], lr=0.1)
    a.grad, b.grad = rl.ones(1), rl.ones(1)
    optimizer.step()
    assert a.tolist() == pytest.approx([0.5])
    assert b.tolist() == pytest.approx([0.9])
    assert list(optimizer.state) == [b]
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    assert a.tolist() == pytest.approx([0.25])


def test_closure_runs_with_gradients_on() -> None:
    param = nn.Parameter(rl.tensor([2.0]))
    optimizer = SGD([param], lr=0.25)

    def closure() -> rl.Tensor:
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with rl.no_grad():
        assert optimizer.step(closure).item() == 4.0
    assert param.tolist() == [1.0]


def test_tensor_learning_rate() -> None:
    param = nn.Parameter(rl.ones(1))
    rate = rl.tensor(0.5)
    optimizer = SGD([param], lr=rate)
    param.grad = rl.ones(1)
    optimizer.step()
    rate.fill_(0.25)
    optimizer.step()
    assert param.tolist() == [0.25]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_differentiable_steps_carry_gradients(momentum: float) -> None:
    start = rl.tensor([1.0, 2.0], dtype=rl.float64, requires_grad=True)
    grad = rl.tensor([3.0, 4.0], dtype=rl.float64, requires_grad=True)
    param = start.clone()
    param.grad = grad.clone()
    SGD([param], lr=0.1, momentum=momentum, weight_decay=0.5, differentiable=True).step()
    (param * rl.tensor([1.0, 10.0], dtype=rl.float64)).sum().backward()
    np.testing.assert_allclose(param.detach().numpy(), [1 - 0.1 * 3.5, 2 - 0.1 * 5])
    if not momentum:  # the velocity starts from a detached copy, as in PyTorch
        np.testing.assert_allclose(start.grad.numpy(), [0.95, 9.5])
        np.testing.assert_allclose(grad.grad.numpy(), [-0.1, -1])


REFUSALS = [
    ({"lr": -1.0}, ValueError, "Invalid learning rate: -1.0"),
    ({"lr": float("nan")}, ValueError, "Invalid learning rate: nan"),
    ({"momentum": -0.1}, ValueError, "Invalid momentum value: -0.1"),
    ({"weight_decay": -0.1}, ValueError, "Invalid weight_decay value: -0.1"),
    (
        {"nesterov": True},
        ValueError,
        "Nesterov momentum requires a momentum and zero dampening, got momentum=0",
    ),
    ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "dampening=0.1"),
    ({"fused": True, "foreach": True}, RuntimeError, "`fused` and `foreach` cannot be `True` together"),
    ({"fused": True, "differentiable": True}, RuntimeError, "`fused` does not support `differentiable`"),
]


@pytest.mark.parametrize(("options", "exception", "match"), REFUSALS)
def test_refusals(options: dict[str, Any], exception: type[Exception], match: str) -> None:
    check_raises(lambda: SGD([nn.Parameter(rl.ones(1))], **options), exception, match)


def test_tensor_lr_must_be_a_number() -> None:
    with pytest.raises(ValueError, match=r"Tensor lr must be 1-element, got shape \(2,\)"):
        SGD([nn.Parameter(rl.ones(1))], lr=rl.ones(2))


@pytest.mark.parametrize(("foreach", "fused"), list(itertools.product([None, False, True], [None, False])))
def test_implementation_flags_change_nothing(foreach: bool | None, fused: bool | None) -> None:
    param = nn.Parameter(rl.ones(3))
    param.grad = rl.ones(3)
    SGD([param], lr=0.5, foreach=foreach, fused=fused).step()
    assert param.tolist() == [0.5] * 3
