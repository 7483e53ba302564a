from __future__ import annotations

import numpy
import pytest

from rushlight import nn


class Small(nn.Module):
    """Batch normalisation and a head called fc, like a ResNet, at a thousandth of the work."""

    def __init__(self, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(self.avgpool(self.relu(self.bn1(self.conv1(x)))).flatten(1))


@pytest.fixture
def small(monkeypatch):
    """Runs train a small network instead of a ResNet."""
    monkeypatch.setattr(
        "rushlight.finetune._model.models.get_model", lambda name, weights, num_classes: Small(num_classes)
    )


@pytest.fixture
def folder(tmp_path):
    """Three classes of 12 noisy 20x24 pictures, each class of its own colour."""
    image = pytest.importorskip("PIL.Image")
    rng = numpy.random.default_rng(0)
    for number, name in enumerate(("blue", "green", "red")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 90, (20, 24, 3), dtype=numpy.uint8)
            pixels[:, :, 2 - number] += 150
            image.fromarray(pixels).save(tmp_path / "data" / name / f"{i:02}.png")
    return tmp_path / "data"


@pytest.fixture
def options(folder, tmp_path):
    """A run of 2 epochs of 4 batches that takes a moment."""
    return {
        "data": folder,
        "epochs": 2,
        "batch_size": 8,
        "image_size": 16,
        "val_fraction": 0.25,
        "workers": 1,
        "lr": 0.1,
        "out": tmp_path / "out",
        "quiet": True,
    }
