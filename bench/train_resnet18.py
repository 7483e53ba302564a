"""One training step of ResNet-18: forward, loss, backward, SGD with momentum. Also inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np

import rushlight
import rushlight.vision
from bench import torch_resnet18
from bench.compare import Row, interleaved, torch_or_none

# (batch, size): the tutorial's step, small pictures, ImageNet's.
STEPS = [(1, 64), (32, 64), (16, 224)]


def _batch(library: ModuleType, batch: int, size: int):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, size, size), dtype=np.float32)
    labels = rng.integers(0, 1000, batch)
    return library.from_numpy(images), library.from_numpy(labels)


def _model(library: ModuleType):  # type: ignore[no-untyped-def]
    library.manual_seed(0)
    return rushlight.vision.models.resnet18() if library is rushlight else torch_resnet18.resnet18()


def _train_step(library: ModuleType, batch: int, size: int, channels_last: bool) -> Callable[[], object]:
    model = _model(library)
    images, labels = _batch(library, batch, size)
    if channels_last:
        model = model.to(memory_format=library.channels_last)
        images = images.contiguous(memory_format=library.channels_last)
    optimizer = library.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        library.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def _inference(library: ModuleType, batch: int, size: int, channels_last: bool) -> Callable[[], object]:
    model = _model(library).eval()
    images, _ = _batch(library, batch, size)
    if channels_last:
        model = model.to(memory_format=library.channels_last)
        images = images.contiguous(memory_format=library.channels_last)

    def infer() -> None:
        with library.no_grad():
            model(images)

    return infer


def rows(quick: bool) -> Iterator[Row]:
    torch = torch_or_none()
    for batch, size in STEPS[:2] if quick else STEPS:
        for name, make in (("train", _train_step), ("inference", _inference)):
            candidates = {"rushlight": make(rushlight, batch, size, False)}
            if torch is not None:
                candidates["torch"] = make(torch, batch, size, False)
                candidates["torch channels-last"] = make(torch, batch, size, True)
            timings = interleaved(candidates, samples=5 if quick else 9)
            yield Row(f"{name} {batch}x3x{size}x{size}", timings)
