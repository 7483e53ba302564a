"""Datasets of pictures, as in ``torchvision.datasets``."""

from __future__ import annotations

from rushlight.vision.datasets.digits import Digits
from rushlight.vision.datasets.fakedata import FakeData
from rushlight.vision.datasets.folder import (
    IMG_EXTENSIONS,
    DatasetFolder,
    ImageFolder,
    default_loader,
    pil_loader,
)

__all__ = [
    "IMG_EXTENSIONS",
    "DatasetFolder",
    "Digits",
    "FakeData",
    "ImageFolder",
    "default_loader",
    "pil_loader",
]
