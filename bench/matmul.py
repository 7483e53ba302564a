"""Matrix products: square sizes and those of ResNet-18's last layer."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import partial

import numpy as np

from bench.compare import Candidates, Case
from bench.environment import libraries

# (m, n, k)
SIZES = [(n, n, n) for n in (1024, 512, 256, 64)]
MORE_SIZES = [(128, 128, 128), (2048, 2048, 2048), (1, 1000, 512), (32, 1000, 512), (1023, 1025, 511)]


def _candidates(m: int, n: int, k: int, dtype: str) -> Candidates:
    rng = np.random.default_rng(0)
    left = rng.standard_normal((m, k), dtype=np.float32)
    right = rng.standard_normal((k, n), dtype=np.float32)
    calls = {}
    for library in libraries():
        a, b = (library.from_numpy(values).to(getattr(library, dtype)) for values in (left, right))
        calls[library.__name__] = partial(operator.matmul, a, b)
    if dtype == "float32":
        calls["numpy"] = lambda: left @ right
    return calls


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    for m, n, k in SIZES if quick else SIZES + MORE_SIZES:
        yield Case(
            f"matmul {m}x{k} @ {k}x{n}",
            partial(_candidates, m, n, k, dtype),
            flop=2.0 * m * n * k,
            bytes=(4.0 if dtype == "float32" else 2.0) * (m * k + k * n + m * n),
        )
