"""One epoch of the README's digits run: load, augment, train, then judge the held-out pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from bench.compare import Call, Candidates, Case
from bench.environment import libraries
from bench.steps import autocast, new_model

# As `rushlight finetune --data digits` has it.
SIDE, MARGIN, BATCH, HELD_OUT = 32, 2, 32, 5


class _Pictures:
    """Pictures for a DataLoader of either library, each cropped at another place if `crop`."""

    def __init__(self, library: ModuleType, pictures: np.ndarray, labels: np.ndarray, crop: bool) -> None:
        self._library, self._labels, self._crop = library, labels, crop
        edge = MARGIN if crop else 0
        self._pictures = np.pad(pictures, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
        self._random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        top, left = self._random.integers(0, 2 * MARGIN + 1, 2) if self._crop else (0, 0)
        picture = self._pictures[index, :, top : top + SIDE, left : left + SIDE]
        return self._library.from_numpy(picture.copy()), int(self._labels[index])


def _loaders(library: ModuleType) -> tuple[Any, Any]:
    from rushlight.vision.datasets import Digits

    digits = Digits(size=SIDE)
    pictures = np.stack([np.asarray(picture).transpose(2, 0, 1) for picture, _ in digits])
    pictures = ((pictures / 255 - 0.45) / 0.225).astype(np.float32)
    labels = np.asarray(digits.targets)
    held_out = np.arange(len(labels)) % HELD_OUT == 0
    loader = library.utils.data.DataLoader
    train = _Pictures(library, pictures[~held_out], labels[~held_out], crop=True)
    judge = _Pictures(library, pictures[held_out], labels[held_out], crop=False)
    return loader(train, batch_size=BATCH, shuffle=True, drop_last=True), loader(judge, batch_size=2 * BATCH)


def _epoch(library: ModuleType, dtype: str, channels_last: bool) -> Call:
    library.manual_seed(0)
    train, judge = _loaders(library)
    model = new_model(library, channels_last)
    criterion = library.nn.CrossEntropyLoss()
    optimizer = library.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4, nesterov=True)

    def forward(images: Any) -> Any:
        if channels_last:
            images = images.contiguous(memory_format=library.channels_last)
        with autocast(library, dtype):
            return model(images)

    def run() -> float:
        model.train()
        for images, labels in train:
            optimizer.zero_grad()
            criterion(forward(images), labels).backward()
            optimizer.step()
        model.eval()
        with library.no_grad():
            right = sum(int((forward(images).argmax(1) == labels).sum()) for images, labels in judge)
        return right / len(judge.dataset)

    return run


def _candidates(dtype: str) -> Candidates:
    ours, *others = libraries()
    calls = {"rushlight": _epoch(ours, dtype, channels_last=False)}
    for torch in others:
        calls["torch"] = _epoch(torch, dtype, channels_last=False)
        calls["torch channels-last"] = _epoch(torch, dtype, channels_last=True)
    return calls


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    if importlib.util.find_spec("sklearn") and importlib.util.find_spec("PIL"):
        yield Case(f"digits, an epoch of {BATCH}x3x{SIDE}x{SIDE}", partial(_candidates, dtype))
