"""Real handwritten digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.utils.data import Dataset
from rushlight.vision._pillow import pillow


class Digits(Dataset["tuple[Any, int]"]):
    """1,797 handwritten digits of 43 people, 8x8 grey levels, as RGB pictures of any size.

    Args:
        size: side of the pictures in pixels; the 8x8 originals are enlarged smoothly (bicubic).
        transform: applied to the Pillow picture.
        target_transform: applied to the digit.

    Attributes ``classes`` (``"0"`` to ``"9"``), ``class_to_idx``, ``targets``.

    Raises:
        ImportError: scikit-learn or Pillow is not installed.
        ValueError: ``size`` not positive.

    Source: the test part of "Optical recognition of handwritten digits" (Alpaydin and Kaynak 1998), as
    ``sklearn.datasets.load_digits`` ships it.
    """

    def __init__(
        self,
        size: int = 64,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        if size <= 0:
            raise ValueError(f"Digits: size must be positive, got {size}")
        self.transform = transform
        self.target_transform = target_transform
        self.classes = [str(digit) for digit in range(10)]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        levels, targets = _load()
        self.targets: list[int] = targets.tolist()
        image = pillow()
        small = (levels * (255 / 16)).round().astype("uint8")
        self._pictures = [
            image.fromarray(picture).resize((size, size), image.Resampling.BICUBIC).convert("RGB")
            for picture in small
        ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture, target = self._pictures[index], self.targets[index]
        if self.transform is not None:
            picture = self.transform(picture)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.targets)


def _load() -> tuple[Any, Any]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "Digits: the pictures come with scikit-learn, which is not installed: "
            "pip install 'rushlight[digits]'"
        ) from error
    data = load_digits()
    return data.images, data.target
