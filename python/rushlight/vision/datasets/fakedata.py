"""Random pictures, for trying out code without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.utils.data import Dataset
from rushlight.vision._pillow import pillow


class FakeData(Dataset["tuple[Any, Any]"]):
    """Pictures of noise, the same ones at every reading.

    Args:
        size: how many.
        image_size: ``(channels, height, width)`` of one.
        num_classes: labels are drawn from 0 to ``num_classes - 1``.
        transform: applied to the Pillow picture.
        target_transform: applied to the label.
        random_offset: added to the index to seed each picture.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        if image_size[0] not in (1, 3):
            raise ValueError(f"FakeData: image_size must be (1 or 3, height, width), got {image_size}")
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.transform = transform
        self.target_transform = target_transform
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: index {index} is out of range for {self.size} pictures")
        generator = rushlight.Generator().manual_seed(index + self.random_offset)
        channels, height, width = self.image_size
        noise = rushlight.randint(0, 256, (height, width, channels), generator=generator)
        pixels = noise.to(rushlight.uint8).numpy()
        picture: Any = pillow().fromarray(pixels[:, :, 0] if channels == 1 else pixels)
        target: Any = int(rushlight.randint(0, self.num_classes, (1,), generator=generator).item())
        if self.transform is not None:
            picture = self.transform(picture)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return self.size
