"""Ready-made transforms that belong to pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight import Tensor, nn
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms.functional import InterpolationMode


class ImageClassification(nn.Module):
    """What an ImageNet classifier expects: resize, crop the middle, scale to 0..1, normalise.

    Args:
        crop_size: side of the result in pixels.
        resize_size: the shorter side before cropping.
        mean: one number a channel.
        std: one number a channel.
        interpolation: of the resizing.
        antialias: of the resizing, for tensors; Pillow always does.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Any) -> Tensor:
        img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img), self.mean, self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        return f"{type(self).__name__}(" + "".join(f"\n    {n}={getattr(self, n)}" for n in names) + "\n)"

    def describe(self) -> str:
        """The steps in words."""
        return (
            "Accepts a Pillow image, or a tensor (..., C, H, W), alone or batched. "
            f"The picture is resized to {self.resize_size} ({self.interpolation.value}), its middle "
            f"{self.crop_size} cut out, its values scaled to 0..1 and normalised with mean {self.mean} "
            f"and std {self.std}."
        )
