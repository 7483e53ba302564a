"""Resizing of tensors as a product with two small matrices, one a direction."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight import Tensor


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(a: float) -> Callable[[float], float]:
    """Keys' cubic convolution kernel (1981)."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x < 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        if x < 2:
            return a * (((x - 5) * x + 8) * x - 4)
        return 0.0

    return kernel


def _row_with_antialias(
    kernel: Callable[[float], float], radius: float, center: float, scale: float, size: int
) -> dict[int, float]:
    """The kernel stretched over the pixels that fall on one; those beyond the edge do not count."""
    reach = radius * max(scale, 1.0)
    first, last = max(int(center - reach + 0.5), 0), min(int(center + reach + 0.5), size)
    weights = {j: kernel((j - center + 0.5) / max(scale, 1.0)) for j in range(first, last)}
    total = sum(weights.values())
    return {j: weight / total for j, weight in weights.items()}


def _row_without(
    kernel: Callable[[float], float], radius: int, center: float, size: int, clamp: bool
) -> dict[int, float]:
    """The kernel at its own width; pixels beyond the edge repeat the edge."""
    position = center - 0.5
    if clamp:
        position = max(position, 0.0)
    base = math.floor(position)
    weights: dict[int, float] = {}
    for j in range(base - radius + 1, base + radius + 1):
        inside = min(max(j, 0), size - 1)
        weights[inside] = weights.get(inside, 0.0) + kernel(position - j)
    return weights


@functools.lru_cache(maxsize=64)
def resample_matrix(size: int, out_size: int, mode: str, antialias: bool) -> Any:
    """The ``(out_size, size)`` float64 array that resizes one direction.

    Source: the weights of ``torch.nn.functional.interpolate(align_corners=False)``, with ``antialias``
    those of Pillow.
    """
    import numpy

    matrix = numpy.zeros((out_size, size))
    scale = size / out_size
    radius = 1 if mode == "bilinear" else 2
    for i in range(out_size):
        center = (i + 0.5) * scale
        if mode == "nearest":
            row = {min(math.floor(i * scale), size - 1): 1.0}
        elif mode == "nearest-exact":
            row = {min(math.floor(center), size - 1): 1.0}
        elif antialias:
            kernel = _triangle if mode == "bilinear" else _cubic(-0.5)
            row = _row_with_antialias(kernel, radius, center, scale, size)
        else:
            kernel = _triangle if mode == "bilinear" else _cubic(-0.75)
            row = _row_without(kernel, radius, center, size, clamp=mode == "bilinear")
        for j, weight in row.items():
            matrix[i, j] = weight
    return matrix


def resize_tensor(image: Tensor, height: int, width: int, mode: str, antialias: bool) -> Tensor:
    """Resize ``(..., H, W)``; integers are computed in float32, rounded and clamped back."""
    dtype = image.dtype
    work = image if dtype.is_floating_point else image.to(rushlight.float32)
    if height != image.shape[-2]:
        rows = resample_matrix(image.shape[-2], height, mode, antialias)
        work = rushlight.matmul(rushlight.as_tensor(rows).to(work.dtype), work)
    if width != image.shape[-1]:
        columns = resample_matrix(image.shape[-1], width, mode, antialias)
        work = rushlight.matmul(work, rushlight.as_tensor(columns.T).to(work.dtype))
    if dtype.is_floating_point:
        return work
    if dtype == rushlight.uint8:
        work = work.clamp(0, 255)
    return work.round().to(dtype)
