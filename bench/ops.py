"""Single ops: the cost of a call on tiny tensors, and streams of 8 million elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

import rushlight
from bench.compare import Row, interleaved, torch_or_none

Call = Callable[[], object]
STREAM = 8 << 20


def _tutorial(library: ModuleType) -> Call:
    a = library.tensor([2.0, 3.0], requires_grad=True)
    b = library.tensor([6.0, 4.0], requires_grad=True)
    gradient = library.tensor([1.0, 1.0])

    def call() -> None:
        (3 * a**3 - b**2).backward(gradient=gradient)

    return call


def _chain(library: ModuleType) -> Call:
    x = library.ones(10, 10, requires_grad=True)

    def call() -> None:
        y = x
        for _ in range(20):
            y = y * 1.01 + 0.5
        y.sum().backward()

    return call


def _pair(library: ModuleType, size: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return tuple(library.from_numpy(rng.standard_normal(size, dtype=np.float32)) for _ in range(2))


def _on_pair(size: int, op: Callable[[Any, Any], object]) -> Callable[[ModuleType], Call]:
    def make(library: ModuleType) -> Call:
        a, b = _pair(library, size)
        return lambda: op(a, b)

    return make


def _named(name: str) -> Callable[[ModuleType], Call]:
    """An op of one argument on a stream, by its name in the library."""

    def make(library: ModuleType) -> Call:
        a, _ = _pair(library, STREAM)
        return lambda: getattr(library, name)(a)

    return make


def _on_rows(op: Callable[[ModuleType, Any], object]) -> Callable[[ModuleType], Call]:
    def make(library: ModuleType) -> Call:
        a = _pair(library, STREAM)[0].view(4096, 2048)
        return lambda: op(library, a)

    return make


# Row name -> what makes the call for a library.
WORK: dict[str, Callable[[ModuleType], Call]] = {
    "a + b, 1 element": _on_pair(1, lambda a, b: a + b),
    "Q = 3*a**3 - b**2, backward": _tutorial,
    "40-op chain on 10x10, backward": _chain,
    "a + b, 8M": _on_pair(STREAM, lambda a, b: a + b),
    "a * b, 8M": _on_pair(STREAM, lambda a, b: a * b),
    "a > b, 8M": _on_pair(STREAM, lambda a, b: a > b),
    **{f"{name}, 8M": _named(name) for name in ("relu", "exp", "sigmoid", "tanh", "sum", "mean", "argmax")},
    "max, 4096 rows of 2048": _on_rows(lambda library, a: a.max(1)),
    "softmax, 4096 rows of 2048": _on_rows(lambda library, a: library.softmax(a, 1)),
}
NUMPY: dict[str, Callable[[Any, Any], object]] = {
    "a + b, 1 element": np.add,
    "a + b, 8M": np.add,
    "a * b, 8M": np.multiply,
    "a > b, 8M": np.greater,
    "exp, 8M": lambda a, _: np.exp(a),
    "tanh, 8M": lambda a, _: np.tanh(a),
    "sum, 8M": lambda a, _: a.sum(),
    "mean, 8M": lambda a, _: a.mean(),
    "argmax, 8M": lambda a, _: a.argmax(),
}


def rows(quick: bool) -> Iterator[Row]:
    torch = torch_or_none()
    for name, make in WORK.items():
        candidates = {"rushlight": make(rushlight)}
        if name in NUMPY:
            a, b = (t.numpy() for t in _pair(rushlight, 1 if "1 element" in name else STREAM))
            candidates["numpy"] = lambda op=NUMPY[name], a=a, b=b: op(a, b)
        if torch is not None:
            candidates["torch"] = make(torch)
        yield Row(name, interleaved(candidates, samples=5 if quick else 9))
