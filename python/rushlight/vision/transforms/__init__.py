"""Transforms of pictures, as in ``torchvision.transforms``.

They take Pillow images and tensors ``(..., C, H, W)``. Random ones draw from rushlight's default generator;
inside a DataLoader's worker thread from that worker's own.
"""

from __future__ import annotations

from rushlight.vision.transforms import functional
from rushlight.vision.transforms.functional import InterpolationMode
from rushlight.vision.transforms.transforms import (
    CenterCrop,
    Compose,
    ConvertImageDtype,
    Grayscale,
    Lambda,
    Normalize,
    Pad,
    PILToTensor,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    ToTensor,
)

__all__ = [
    "CenterCrop",
    "Compose",
    "ConvertImageDtype",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "ToTensor",
    "functional",
]
