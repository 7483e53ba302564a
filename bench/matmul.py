"""Matrix products: float32, square sizes and those of ResNet-18's last layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import rushlight
from bench.compare import Row, interleaved, torch_or_none

# (m, n, k)
SIZES = [(n, n, n) for n in (64, 128, 256, 512, 1024, 2048)]
SIZES += [(1, 1000, 512), (32, 1000, 512), (1023, 1025, 511)]


def rows(quick: bool) -> Iterator[Row]:
    torch = torch_or_none()
    rng = np.random.default_rng(0)
    for m, n, k in SIZES[:5] if quick else SIZES:
        left = rng.standard_normal((m, k), dtype=np.float32)
        right = rng.standard_normal((k, n), dtype=np.float32)
        ours = rushlight.from_numpy(left), rushlight.from_numpy(right)
        candidates = {
            "rushlight": lambda a=ours[0], b=ours[1]: a @ b,
            "numpy": lambda a=left, b=right: a @ b,
        }
        if torch is not None:
            theirs = torch.from_numpy(left), torch.from_numpy(right)
            candidates["torch"] = lambda a=theirs[0], b=theirs[1]: a @ b
        yield Row(f"matmul {m}x{k} @ {k}x{n}", interleaved(candidates), gflop=2e-9 * m * n * k)
