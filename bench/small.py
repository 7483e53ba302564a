"""The cost of a call: tensors so small that nothing else counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import numpy as np

from bench.compare import Call, Candidates, Case
from bench.environment import libraries


def _add(library: ModuleType) -> Call:
    a, b = library.tensor([1.0]), library.tensor([2.0])
    return lambda: a + b


def _tutorial(library: ModuleType) -> Call:
    a = library.tensor([2.0, 3.0], requires_grad=True)
    b = library.tensor([6.0, 4.0], requires_grad=True)
    gradient = library.tensor([1.0, 1.0])

    def call() -> None:
        Q = 3 * a**3 - b**2
        Q.backward(gradient=gradient)

    return call


def _chain(library: ModuleType) -> Call:
    x = library.ones(10, 10, requires_grad=True)

    def call() -> None:
        y = x
        for _ in range(20):
            y = y * 1.01 + 0.5
        y.sum().backward()

    return call


WORK: dict[str, Callable[[ModuleType], Call]] = {
    "a + b, 1 element": _add,
    "Q = 3*a**3 - b**2, backward": _tutorial,
    "40-op chain on 10x10, backward": _chain,
}


def _candidates(name: str) -> Candidates:
    calls = {library.__name__: WORK[name](library) for library in libraries()}
    if WORK[name] is _add:
        a, b = np.array([1.0], np.float32), np.array([2.0], np.float32)
        calls["numpy"] = lambda: a + b
    return calls


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    for name in WORK:
        yield Case(name, partial(_candidates, name))
