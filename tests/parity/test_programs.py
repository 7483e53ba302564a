"""Random programs of views and in-place changes: same values, gradients and refusals as PyTorch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

PROGRAMS, STEPS = 300, 9


def make_view(x: Any, choice: random.Random) -> Any:
    kind = choice.randrange(6)
    if x.dim() == 0 or kind == 0:
        return x.unsqueeze(0)
    if kind == 1:
        return x[choice.randrange(x.shape[0])]
    if kind == 2:
        return x[: choice.randint(1, x.shape[0])]
    if kind == 3:
        return x.transpose(0, -1)
    if kind == 4:
        return x[..., choice.randrange(x.shape[-1])]
    return x.detach()


def change(x: Any, y: Any, choice: random.Random) -> None:
    kind = choice.randrange(5)
    if kind == 0:
        x.mul_(0.5)
    elif kind == 1:
        x.add_(y.sum())
    elif kind == 2:
        x.mul_(y.sum() * 0.1)
    elif kind == 3:
        x[...] = y.sum()
    else:
        x.tanh_()


def step(t: Any, pool: list[Any], choice: random.Random) -> None:
    x, y = choice.choice(pool), choice.choice(pool)
    kind = choice.randrange(10)
    if kind < 4:
        pool.append(make_view(x, choice))
    elif kind < 8:
        change(x, y, choice)
    elif kind == 8:
        with t.no_grad():
            change(x, y, choice)
    else:
        pool.append(x * y.mean() + x.exp())


def run(t: Any, seed: int) -> list[Any]:
    """What each step and the final backward gave: arrays, or the name of the exception's class."""
    choice = random.Random(seed)
    rng = np.random.default_rng(seed)
    leaves = [t.tensor(rng.uniform(-1, 1, shape), requires_grad=True) for shape in ((3, 2), (4,))]
    pool = [leaf * 1.0 for leaf in leaves]
    log: list[Any] = []
    for _ in range(STEPS):
        try:
            step(t, pool, choice)
        except RuntimeError:
            log.append("refused")
    log += [x.detach().numpy().copy() for x in pool]
    log += [x.requires_grad for x in pool]
    total = sum((x.sum() * (n + 1) for n, x in enumerate(pool)), t.zeros((), dtype=t.float64))
    try:
        log += [None if g is None else g.numpy() for g in t.autograd.grad(total, leaves, allow_unused=True)]
    except RuntimeError:
        log.append("refused")
    return log


@pytest.mark.parametrize("first", range(0, PROGRAMS, 50))
def test_programs(first: int) -> None:
    for seed in range(first, first + 50):
        ours, theirs = run(rushlight, seed), run(torch, seed)
        assert len(ours) == len(theirs), f"program {seed}"
        for got, want in zip(ours, theirs, strict=True):
            assert type(got) is type(want), f"program {seed}: {got} for {want}"
            if isinstance(want, np.ndarray):
                np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12, err_msg=f"program {seed}")
            else:
                assert got == want, f"program {seed}"
