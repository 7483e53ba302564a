"""Models, transforms and datasets for pictures, as in torchvision."""

from __future__ import annotations
