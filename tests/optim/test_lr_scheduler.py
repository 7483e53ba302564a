"""Learning-rate schedules against their closed forms; order of calls; state."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.optim import SGD, lr_scheduler
from tests.helpers import check_raises


def make(lr: Any = 0.8) -> SGD:
    return SGD([{"params": nn.Parameter(rl.ones(1))}, {"params": nn.Parameter(rl.ones(1)), "lr": 0.2}], lr=lr)


def rates(scheduler: Any, epochs: int) -> list[list[float]]:
    """Learning rates of the two groups, epoch by epoch."""
    optimizer, result = scheduler.optimizer, []
    for _ in range(epochs):
        result.append([group["lr"] for group in optimizer.param_groups])
        assert scheduler.get_last_lr() == result[-1]
        optimizer.step()
        scheduler.step()
    return result


def cosine(t: int) -> float:
    return (1 + math.cos(math.pi * t / 5)) / 2


SCHEDULES = {
    "step": (lambda o: lr_scheduler.StepLR(o, 3, gamma=0.5), lambda lr, t: lr * 0.5 ** (t // 3)),
    "multi_step": (
        lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 5], gamma=0.5),
        lambda lr, t: lr * 0.5 ** ((t >= 2) + 2 * (t >= 5)),
    ),
    "exponential": (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda lr, t: lr * 0.9**t),
    "linear": (
        lambda o: lr_scheduler.LinearLR(o, 0.25, 1.0, total_iters=4),
        lambda lr, t: lr * (0.25 + 0.75 * min(t, 4) / 4),
    ),
    "lambda": (lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (t + 1)), lambda lr, t: lr / (t + 1)),
    # Through the lowest point at epoch 5 and up again.
    "cosine": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 5, 0.1),
        lambda lr, t: 0.1 + (lr - 0.1) * cosine(t),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    build, formula = SCHEDULES[name]
    for t, (first, second) in enumerate(rates(build(make()), 13)):
        assert first == pytest.approx(formula(0.8, t), rel=1e-12), t
        assert second == pytest.approx(formula(0.2, t), rel=1e-12), t


@pytest.mark.parametrize("name", [n for n in SCHEDULES if n != "lambda"])
def test_epoch_argument_uses_the_closed_form(name: str) -> None:
    build, formula = SCHEDULES[name]
    scheduler = build(make())
    scheduler.optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter"):
        scheduler.step(7)
    assert scheduler.optimizer.param_groups[0]["lr"] == pytest.approx(formula(0.8, 7))
    assert scheduler.last_epoch == 7


@pytest.mark.parametrize("name", SCHEDULES)
def test_resuming_from_state_dicts(name: str) -> None:
    build, _ = SCHEDULES[name]
    whole = rates(build(make()), 9)
    scheduler = build(make())
    rates(scheduler, 4)
    states = pickle.loads(pickle.dumps((scheduler.state_dict(), scheduler.optimizer.state_dict())))
    assert "optimizer" not in states[0]
    resumed = build(make())
    resumed.load_state_dict(states[0])
    resumed.optimizer.load_state_dict(states[1])
    resumed.optimizer.step()
    assert rates(resumed, 5) == whole[4:]


@pytest.mark.parametrize("name", ["step", "exponential", "cosine", "lambda"])
def test_resuming_by_last_epoch(name: str) -> None:
    build, formula = SCHEDULES[name]
    optimizer = make()
    for group, initial in zip(optimizer.param_groups, (0.8, 0.2), strict=True):
        group["initial_lr"] = initial
        group["lr"] = formula(initial, 3)
    kind: Any = type(build(make()))
    extra = {
        "step": (3, 0.5),
        "exponential": (0.9,),
        "cosine": (5, 0.1),
        "lambda": (lambda t: 1 / (t + 1),),
    }[name]
    scheduler = kind(optimizer, *extra, last_epoch=3)
    assert scheduler.last_epoch == 4
    with pytest.raises(KeyError, match=r"'initial_lr' is not specified in param_groups\[0\].*last_epoch=3"):
        kind(make(), *extra, last_epoch=3)


def test_changes_from_outside_last() -> None:
    scheduler = lr_scheduler.StepLR(make(), 2, gamma=0.5)
    scheduler.optimizer.param_groups[0]["lr"] = 8.0
    assert [first for first, _ in rates(scheduler, 0)] == []
    scheduler.optimizer.step()
    scheduler.step()
    scheduler.step()
    assert scheduler.optimizer.param_groups[0]["lr"] == 4.0


def test_tensor_rates_are_changed_in_place() -> None:
    rate = rl.tensor(0.8)
    optimizer = SGD([nn.Parameter(rl.ones(1))], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.4)
    assert scheduler.get_last_lr()[0] is not rate


def test_order_is_checked() -> None:
    scheduler = lr_scheduler.StepLR(make(), 2)
    with pytest.warns(
        UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"
    ):
        scheduler.step()
    scheduler = lr_scheduler.StepLR(make(), 2)
    scheduler.optimizer.step = lambda: None  # type: ignore[method-assign]
    with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()  # said once


def test_get_lr_outside_of_step_warns() -> None:
    scheduler = lr_scheduler.ExponentialLR(make(), 0.5)
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()


def test_lambda_state_keeps_callable_objects() -> None:
    class Warmup:
        def __init__(self, epochs: int) -> None:
            self.epochs = epochs

        def __call__(self, epoch: int) -> float:
            return min(1.0, (epoch + 1) / self.epochs)

    scheduler = lr_scheduler.LambdaLR(make(), [Warmup(4), lambda t: 1.0])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"epochs": 4}, None]
    other = lr_scheduler.LambdaLR(make(), [Warmup(9), lambda t: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].epochs == 4


@pytest.mark.parametrize(
    ("call", "exception", "match"),
    [
        (lambda: lr_scheduler.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda: lr_scheduler.LambdaLR(make(), [len]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (
            lambda: lr_scheduler.LinearLR(make(), start_factor=0),
            ValueError,
            "Starting multiplicative factor.*got 0",
        ),
        (
            lambda: lr_scheduler.LinearLR(make(), end_factor=2),
            ValueError,
            "Ending multiplicative factor.*got 2",
        ),
        (
            lambda: lr_scheduler.LRScheduler(make()),
            NotImplementedError,
            "LRScheduler.get_lr: a schedule defines it",
        ),
    ],
)
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)
