"""Borders around pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight.vision._pillow import is_pil_image, pillow
from rushlight.vision.transforms._measure import get_dimensions


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Put a border around a picture.

    Args:
        img: Pillow image or tensor ``(..., H, W)``.
        padding: one width for all sides, ``(left and right, top and bottom)`` or
            ``(left, top, right, bottom)``.
        fill: the border's value in constant mode; for Pillow images also one a channel.
        padding_mode: ``constant``, ``edge`` (repeat the edge), ``reflect`` (mirror without the edge) or
            ``symmetric`` (mirror with it).

    Raises:
        ValueError: an unknown mode, a wrong number of widths, a negative one, or nothing to repeat.
    """
    _, height, width = get_dimensions(img)
    left, top, right, bottom = _borders(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            f"pad: padding_mode must be constant, edge, reflect or symmetric, got {padding_mode!r}"
        )
    if padding_mode == "constant":
        return _pad_constant(img, left, top, right, bottom, fill)
    rows = _border_indices(height, top, bottom, padding_mode)
    columns = _border_indices(width, left, right, padding_mode)
    if is_pil_image(img):
        import numpy

        padded = pillow().fromarray(numpy.asarray(img)[rows][:, columns])
        if img.mode == "P":
            padded.putpalette(img.getpalette())
        return padded
    return img[..., rows, :][..., columns]


def _borders(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    values = [padding] if isinstance(padding, int) else list(padding)
    if len(values) not in (1, 2, 4):
        raise ValueError(f"pad: padding must be 1, 2 or 4 numbers, got {padding}")
    if min(values) < 0:
        raise ValueError(f"pad: padding must not be negative, got {padding}; crop makes a picture smaller")
    left, top = values[0], values[1 % len(values)]
    return (left, top, values[2], values[3]) if len(values) == 4 else (left, top, left, top)


def _pad_constant(img: Any, left: int, top: int, right: int, bottom: int, fill: Any) -> Any:
    if is_pil_image(img):
        if isinstance(fill, (list, tuple)):
            fill = tuple(fill) if len(fill) > 1 else fill[0]
        elif len(img.getbands()) > 1:
            fill = (fill,) * len(img.getbands())
        wide = pillow().new(img.mode, (img.width + left + right, img.height + top + bottom), fill)
        if img.mode == "P":
            wide.putpalette(img.getpalette())
        wide.paste(img, (left, top))
        return wide
    if isinstance(fill, (list, tuple)):
        if len(fill) != 1:
            raise ValueError(f"pad: a tensor's fill must be one number, got {fill}")
        fill = fill[0]
    height, width = img.shape[-2], img.shape[-1]
    wide = rushlight.full(
        (*img.shape[:-2], height + top + bottom, width + left + right), fill, dtype=img.dtype
    )
    wide[..., top : top + height, left : left + width] = img
    return wide


def _border_indices(size: int, before: int, after: int, mode: str) -> list[int]:
    if size == 0:
        raise ValueError(f"pad: {mode} padding needs at least one pixel in each direction, got none")
    positions = range(-before, size + after)
    if mode == "edge":
        return [min(max(i, 0), size - 1) for i in positions]
    # A mirror between two mirrors: the picture forth and back again, with or without its edges twice.
    edge = 1 if mode == "symmetric" else 0
    period = max(2 * (size - 1 + edge), 1)
    return [i % period if i % period < size else period - edge - i % period for i in positions]
