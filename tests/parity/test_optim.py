"""Optimisers and schedules against PyTorch: trajectories, signatures, state dicts."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def trajectory(library: Any, kind: str, options: dict[str, Any]) -> tuple[list[Any], Any]:
    """Parameter after each of five steps, and the optimiser."""
    rng = np.random.default_rng(0)
    param = library.nn.Parameter(library.from_numpy(rng.normal(size=1001).astype(np.float32)))
    optimizer = getattr(library.optim, kind)([param], lr=0.1, **options)
    values = []
    for _ in range(5):
        param.grad = library.from_numpy(rng.normal(size=1001).astype(np.float32))
        optimizer.step()
        values.append(param.detach().numpy().copy())
    return values, optimizer


SGD_OPTIONS = [
    {"momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    for m, d, w, n, x in itertools.product((0, 0.9), (0, 0.3), (0, 0.05), (False, True), (False, True))
    if not (n and (m == 0 or d != 0))
]
ADAM_OPTIONS = [
    {"weight_decay": w, "amsgrad": a, "maximize": x}
    for w, a, x in itertools.product((0, 0.1), (False, True), (False, True))
]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("SGD", o) for o in SGD_OPTIONS] + [(k, o) for k in ("Adam", "AdamW") for o in ADAM_OPTIONS],
    ids=str,
)
def test_trajectory(kind: str, options: dict[str, Any]) -> None:
    ours, mine = trajectory(rl, kind, options)
    theirs, other = trajectory(torch, kind, options)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert repr(mine) == repr(other)
    state, expected = mine.state_dict(), other.state_dict()
    assert state["param_groups"] == expected["param_groups"]
    assert state["state"].keys() == expected["state"].keys()
    for number, entries in expected["state"].items():
        assert list(state["state"][number]) == list(entries)
        for key, value in entries.items():
            np.testing.assert_allclose(
                state["state"][number][key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6
            )


def parameters_of(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "Optimizer"])
def test_signatures(kind: str) -> None:
    ours, theirs = getattr(rl.optim, kind), getattr(torch.optim, kind)
    assert parameters_of(ours.__init__) == parameters_of(theirs.__init__)
    for name in ("step", "zero_grad", "add_param_group", "state_dict", "load_state_dict"):
        assert [p[:2] for p in parameters_of(getattr(ours, name))] == [
            p[:2] for p in parameters_of(getattr(theirs, name))
        ]


SCHEDULES = {
    "StepLR": {"step_size": 3, "gamma": 0.3},
    "MultiStepLR": {"milestones": [2, 5, 5, 9], "gamma": 0.3},
    "ExponentialLR": {"gamma": 0.87},
    "LinearLR": {"start_factor": 0.3, "end_factor": 0.9, "total_iters": 6},
    "LambdaLR": {"lr_lambda": lambda epoch: 0.9**epoch},
    "CosineAnnealingLR": {"T_max": 7, "eta_min": 0.01},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_has_the_same_bits(name: str) -> None:
    def rates(library: Any) -> list[Any]:
        params = [{"params": library.nn.Parameter(library.ones(1)), "lr": lr} for lr in (0.37, 1.1)]
        optimizer = library.optim.SGD(params, lr=0.1)
        scheduler = getattr(library.optim.lr_scheduler, name)(optimizer, **SCHEDULES[name])
        result = []
        for _ in range(25):
            result.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
        return [*result, sorted(scheduler.state_dict())]

    assert rates(rl) == rates(torch)
    ours, theirs = (getattr(library.optim.lr_scheduler, name) for library in (rl, torch))
    assert parameters_of(ours.__init__) == parameters_of(theirs.__init__)
