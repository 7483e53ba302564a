"""Errors of ResNet-18's convolutions in float32 against float64: not above PyTorch's, largest and mean.

Inputs are normally distributed, or what a ReLU leaves of that: sums then grow larger before they are rounded;
or every operand is log-normal: no sign cancels another, and few products make up most of a sum.
A single largest error is luck: that of a layer is the median over channels of the largest of each.

Every level with FMA is held to it, in a process of its own. (Without FMA products are rounded too, which
PyTorch's kernels for this CPU never do: sums of a few products then err by up to a fifth more.)
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# (channels in, channels out, kernel, stride, padding, side of the map in pictures of 224)
LAYERS = [
    (3, 64, 7, 2, 3, 224),
    (64, 64, 3, 1, 1, 56),
    (64, 128, 3, 2, 1, 56),
    (64, 128, 1, 2, 0, 56),
    (128, 128, 3, 1, 1, 28),
    (128, 256, 3, 2, 1, 28),
    (128, 256, 1, 2, 0, 28),
    (256, 256, 3, 1, 1, 14),
    (256, 512, 3, 2, 1, 14),
    (256, 512, 1, 2, 0, 14),
    (512, 512, 3, 1, 1, 7),
]
# Where both add the same numbers in the same order, errors are equal; where they do not, two medians of as
# good sums still differ by some per cent.
EQUAL = 1.05


def directions(library: Any, operands: list[np.ndarray], stride: int, padding: int) -> dict[str, np.ndarray]:
    x, weight, slope = (library.from_numpy(value.copy()) for value in operands)
    x.requires_grad_(), weight.requires_grad_()
    result = library.nn.functional.conv2d(x, weight, stride=stride, padding=padding)
    result.backward(slope)
    return {
        "forward": result.detach().numpy(),
        "input gradient": x.grad.numpy(),
        "weight gradient": weight.grad.numpy(),
    }


def errors(values: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Typical largest error of a channel, and the mean error."""
    difference = np.abs(values.astype(np.float64) - exact)
    if len(difference) < difference.shape[1]:  # activations: channels second
        difference = difference.swapaxes(0, 1)
    return float(np.median(difference.reshape(len(difference), -1).max(1))), float(difference.mean())


LEVELS = ["avx2", "avx512", "amx"]
LEVELS = LEVELS[: LEVELS.index(best) + 1] if (best := rl.__config__.facts()["isa best"]) in LEVELS else []
CASES = [
    (layer, batch, shrunk, kind)
    for layer in LAYERS
    for batch, shrunk in ((2, 1.0), (32, 3.5), (1, 3.5))
    for kind in ("normal", "relu", "log-normal")
]


def misses(layer: tuple[int, ...], batch: int, shrunk: float, kind: str) -> list[str]:
    channels, outputs, kernel, stride, padding, side = layer
    side = int(np.ceil(side / shrunk))
    out = (side + 2 * padding - kernel) // stride + 1
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, channels, side, side))
    weight = rng.standard_normal((outputs, channels, kernel, kernel))
    slope = rng.standard_normal((batch, outputs, out, out))
    x = np.maximum(x, 0) if kind == "relu" else x
    operands = [x, weight / np.sqrt(channels * kernel**2), slope]
    if kind == "log-normal":
        operands = [np.exp(value) for value in (x, weight, slope)]
    operands = [value.astype(np.float32) for value in operands]
    exact = directions(torch, [value.astype(np.float64) for value in operands], stride, padding)
    ours, theirs = (directions(library, operands, stride, padding) for library in (rl, torch))
    found = []
    for direction, reference in exact.items():
        mine, other = errors(ours[direction], reference), errors(theirs[direction], reference)
        for name, a, b in zip(("largest", "mean"), mine, other, strict=True):
            if a > EQUAL * b:
                found.append(f"{direction}, {name}: {a:.2e}, PyTorch's is {b:.2e}")
    return found


@functools.cache
def misses_at(level: str) -> list[list[str]]:
    """Those of every case, measured in a process that runs at the level."""
    environment = {**os.environ, "RUSHLIGHT_ISA": level}
    done = subprocess.run([sys.executable, __file__], env=environment, stdout=subprocess.PIPE, check=True)
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda case: str(CASES[case]))
@pytest.mark.parametrize("level", LEVELS)
def test_layer(level: str, case: int) -> None:
    found = misses_at(level)[case]
    assert not found, "\n".join(found)


if __name__ == "__main__":
    json.dump([misses(*case) for case in CASES], sys.stdout)
