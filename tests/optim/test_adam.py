"""Adam and AdamW against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.optim import Adam, AdamW
from tests.helpers import check_raises


def reference(
    p: Any, grads: list[Any], decoupled: bool, weight_decay: float, amsgrad: bool, maximize: bool
) -> Any:
    lr, beta1, beta2, eps = 0.1, 0.8, 0.95, 1e-3
    m, v, largest = 0.0, 0.0, 0.0
    for t, grad in enumerate(grads, 1):
        g = -grad if maximize else grad
        if decoupled:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        largest = np.maximum(largest, v)
        denominator = np.sqrt((largest if amsgrad else v) / (1 - beta2**t)) + eps
        p = p - lr * m / (1 - beta1**t) / denominator
    return p


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_steps(decoupled: bool, weight_decay: float, amsgrad: bool, maximize: bool) -> None:
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=9), [rng.normal(size=9) for _ in range(4)]
    param = nn.Parameter(rl.from_numpy(start.copy()))
    kind = AdamW if decoupled else Adam
    optimizer = kind(
        [param],
        lr=0.1,
        betas=(0.8, 0.95),
        eps=1e-3,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        maximize=maximize,
    )
    for grad in grads:
        param.grad = rl.from_numpy(grad)
        optimizer.step()
    expected = reference(start, grads, decoupled, weight_decay, amsgrad, maximize)
    np.testing.assert_allclose(param.detach().numpy(), expected, rtol=1e-12)
    assert optimizer.state[param]["step"].item() == 4


def test_defaults() -> None:
    param = nn.Parameter(rl.ones(1))
    assert Adam([param]).param_groups[0]["weight_decay"] == 0
    assert AdamW([param]).param_groups[0]["weight_decay"] == 0.01
    assert isinstance(AdamW([param]), Adam)


def test_state_survives_a_round_trip() -> None:
    param = nn.Parameter(rl.ones(2))
    param.grad = rl.ones(2)
    first, second = Adam([param], amsgrad=True), Adam([param], amsgrad=True)
    first.step()
    second.load_state_dict(first.state_dict())
    assert sorted(second.state[param]) == ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"]
    assert second.state[param]["step"].item() == 1
    second.step()
    assert first.state[param]["step"].item() == 1


@pytest.mark.parametrize(
    ("options", "exception", "match"),
    [
        ({"lr": -1.0}, ValueError, "Invalid learning rate: -1.0"),
        ({"eps": -1.0}, ValueError, "Invalid epsilon value: -1.0"),
        ({"betas": (1.0, 0.9)}, ValueError, "Invalid beta parameter at index 0: 1.0"),
        ({"betas": (0.9, -0.1)}, ValueError, "Invalid beta parameter at index 1: -0.1"),
        ({"weight_decay": -1}, ValueError, "Invalid weight_decay value: -1"),
        ({"differentiable": True}, NotImplementedError, "differentiable=True is not supported"),
    ],
)
def test_refusals(options: dict[str, Any], exception: type[Exception], match: str) -> None:
    check_raises(lambda: Adam([nn.Parameter(rl.ones(1))], **options), exception, match)
