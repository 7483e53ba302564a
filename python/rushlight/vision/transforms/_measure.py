"""What a picture is and how large."""

from __future__ import annotations

from typing import Any

from rushlight import Tensor
from rushlight.vision._pillow import is_pil_image


def get_dimensions(img: Any) -> list[int]:
    """``[channels, height, width]`` of a picture.

    Raises:
        TypeError: neither a Pillow image nor a tensor of two or more dimensions.
    """
    if is_pil_image(img):
        width, height = img.size
        return [len(img.getbands()), height, width]
    if isinstance(img, Tensor) and img.dim() >= 2:
        return [1 if img.dim() == 2 else img.size(-3), img.size(-2), img.size(-1)]
    raise TypeError(f"transforms: expected a Pillow image or a tensor (..., H, W), got {describe(img)}")


def get_image_size(img: Any) -> list[int]:
    """``[width, height]`` of a picture."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Channels of a picture."""
    return get_dimensions(img)[0]


def describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"{type(value).__module__}.{type(value).__qualname__}"
