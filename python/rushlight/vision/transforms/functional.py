"""Transforms as functions of a picture: a Pillow image, or a tensor ``(..., C, H, W)``."""

from __future__ import annotations

import enum
import numbers
from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.vision._pillow import is_pil_image, pillow
from rushlight.vision.transforms._measure import (
    describe,
    get_dimensions,
)
from rushlight.vision.transforms._padding import pad
from rushlight.vision.transforms._resample import resize_tensor


class InterpolationMode(enum.Enum):
    """How :func:`resize` and its kin fill the new pixels."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    # Pillow images only.
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PIL_FILTERS = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}
_TENSOR_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")

# Largest value of the integer dtypes; an image in them spans 0 to this, a floating one 0 to 1.
_LARGEST = {"uint8": 255, "int8": 127, "int16": 32767, "int32": 2**31 - 1, "int64": 2**63 - 1}


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor ``(C, H, W)`` of its own dtype, values unchanged.

    Raises:
        TypeError: not a Pillow image.
    """
    if not is_pil_image(pic):
        raise TypeError(f"pil_to_tensor: expected a Pillow image, got {describe(pic)}")
    import numpy

    array = numpy.array(pic)
    if array.dtype == numpy.uint16:  # mode I;16: no such dtype here
        array = array.astype(numpy.int32)
    if array.dtype == numpy.bool_:  # mode 1
        array = array.astype(numpy.uint8) * 255
    if array.ndim == 2:
        array = array[:, :, None]
    return rushlight.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or a numpy array ``(H, W)`` or ``(H, W, C)`` as a tensor ``(C, H, W)``.

    uint8 values 0..255 become floats 0..1; other dtypes keep their values.

    Raises:
        TypeError: neither a Pillow image nor a numpy array.
        ValueError: an array that has not two or three dimensions.
    """
    if is_pil_image(pic):
        tensor = pil_to_tensor(pic)
    elif type(pic).__module__ == "numpy" and hasattr(pic, "transpose"):
        if pic.ndim not in (2, 3):
            raise ValueError(f"to_tensor: an array must be (H, W) or (H, W, C), got shape {pic.shape}")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        tensor = rushlight.from_numpy(array.transpose(2, 0, 1).copy())
    else:
        raise TypeError(f"to_tensor: expected a Pillow image or a numpy array, got {describe(pic)}")
    if tensor.dtype == rushlight.uint8:
        return tensor.to(rushlight.get_default_dtype()).div(255)
    return tensor


def convert_image_dtype(image: Tensor, dtype: Any = None) -> Tensor:
    """Another dtype at the scale that belongs to it: 0..1 for floats, 0..largest for integers.

    Args:
        image: any shape.
        dtype: default float32.

    Raises:
        TypeError: not a tensor.
        RuntimeError: the target integers are too wide for the float's precision to fill.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"convert_image_dtype: expected a tensor, got {describe(image)}")
    dtype = rushlight.float32 if dtype is None else dtype
    if image.dtype == dtype:
        return image
    source, target = _largest(image.dtype), _largest(dtype)
    if dtype.is_floating_point:
        image = image.to(dtype)
        return image if source == 1 else image / source
    if image.dtype.is_floating_point:
        if _loses(image.dtype, dtype):
            raise RuntimeError(f"convert_image_dtype: {image.dtype} cannot be converted to {dtype} safely")
        # A little below 1 wider than the target, so that each integer gets an equal share of 0..1.
        return (image * (target + 1.0 - 1e-3)).to(dtype)
    if source > target:
        return (image // ((source + 1) // (target + 1))).to(dtype)
    return image.to(dtype) * ((target + 1) // (source + 1))


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std`` for each channel.

    Args:
        tensor: floats ``(..., C, H, W)``.
        mean: one number a channel, or one for all.
        std: as ``mean``, none of them 0.
        inplace: change ``tensor`` itself.

    Raises:
        TypeError: not a floating tensor.
        ValueError: fewer than three dimensions, a std of 0, or lengths that do not fit the channels.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"normalize: expected a tensor, got {describe(tensor)}; ToTensor goes first")
    if not tensor.dtype.is_floating_point:
        raise TypeError(
            f"normalize: the tensor must be floating, got {tensor.dtype}; convert_image_dtype goes first"
        )
    if tensor.dim() < 3:
        raise ValueError(f"normalize: the tensor must be (..., C, H, W), got shape {tuple(tensor.shape)}")
    channels = tensor.shape[-3]
    scale = []
    for name, values in (("mean", mean), ("std", std)):
        value = rushlight.as_tensor(values, dtype=tensor.dtype)
        if value.dim() > 1 or value.numel() not in (1, channels):
            raise ValueError(
                f"normalize: {name} must hold 1 or {channels} numbers, one a channel, got {values}"
            )
        scale.append(value.reshape(-1, 1, 1))
    if (scale[1] == 0).any().item():
        raise ValueError(f"normalize: std must not be 0 in {tensor.dtype}, got {std}")
    if inplace:
        return tensor.sub_(scale[0]).div_(scale[1])
    return (tensor - scale[0]) / scale[1]


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool = True,
) -> Any:
    """Resize a picture.

    Args:
        img: Pillow image or tensor ``(..., H, W)``.
        size: ``(h, w)``; or one number for the shorter side, the other keeping the proportions.
        interpolation: NEAREST, NEAREST_EXACT, BILINEAR or BICUBIC; for Pillow images also BOX,
            HAMMING, LANCZOS.
        max_size: with one number as size: the longer side's largest allowed length.
        antialias: average the pixels that fall together when shrinking. Pillow images always do.

    Raises:
        ValueError: sizes not positive or of wrong number, ``max_size`` not above ``size``, an unknown mode.
        TypeError: neither a Pillow image nor a tensor.
    """
    _, height, width = get_dimensions(img)
    new_height, new_width = _target_size(height, width, size, max_size)
    mode = _interpolation(interpolation)
    if (new_height, new_width) == (height, width):
        return img
    if is_pil_image(img):
        return img.resize((new_width, new_height), _PIL_FILTERS[mode])
    if mode.value not in _TENSOR_MODES:
        raise ValueError(f"resize: tensors can be resized with {', '.join(_TENSOR_MODES)}, got {mode.value}")
    return resize_tensor(img, new_height, new_width, mode.value, antialias)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The ``height`` x ``width`` pixels from (top, left) on; what lies outside the picture is 0."""
    _, old_height, old_width = get_dimensions(img)
    if is_pil_image(img):
        return img.crop((left, top, left + width, top + height))
    padding = (
        max(-left, 0),
        max(-top, 0),
        max(left + width - old_width, 0),
        max(top + height - old_height, 0),
    )
    if any(padding):
        img = pad(img, padding)
    top, left = max(top, 0), max(left, 0)
    return img[..., top : top + height, left : left + width]


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of a picture, with zeros around it where the picture is smaller.

    Args:
        img: Pillow image or tensor ``(..., H, W)``.
        output_size: ``(h, w)`` or one number for both.
    """
    crop_height, crop_width = pair("center_crop: output_size", output_size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        more_width, more_height = max(crop_width - width, 0), max(crop_height - height, 0)
        img = pad(img, [more_width // 2, more_height // 2, (more_width + 1) // 2, (more_height + 1) // 2])
        _, height, width = get_dimensions(img)
    top, left = round((height - crop_height) / 2), round((width - crop_width) / 2)
    return crop(img, top, left, crop_height, crop_width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool = True,
) -> Any:
    """:func:`crop`, then :func:`resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """The picture mirrored left to right."""
    return _transpose(img, 0, -1)


def vflip(img: Any) -> Any:
    """The picture turned upside down."""
    return _transpose(img, 1, -2)


def _transpose(img: Any, pil_method: int, dim: int) -> Any:
    if is_pil_image(img):
        return img.transpose(pil_method)
    get_dimensions(img)
    return img.flip(dim)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Brightness of an RGB picture, ``0.2989 R + 0.587 G + 0.114 B``.

    Args:
        img: Pillow image or tensor ``(..., 3 or 1, H, W)``.
        num_output_channels: 1, or 3 for three equal channels.

    Raises:
        ValueError: another number of channels, in or out.
    """
    channels = get_dimensions(img)[0]
    if num_output_channels not in (1, 3):
        raise ValueError(f"rgb_to_grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
    if is_pil_image(img):
        gray = img.convert("L")
        return gray if num_output_channels == 1 else pillow().merge("RGB", [gray] * 3)
    if img.dim() < 3 or channels not in (1, 3):
        raise ValueError(
            f"rgb_to_grayscale: expected 1 or 3 channels (..., C, H, W), got shape {tuple(img.shape)}"
        )
    if channels == 3:
        red, green, blue = img.unbind(dim=-3)
        img = (0.2989 * red + 0.587 * green + 0.114 * blue).to(img.dtype).unsqueeze(-3)
    if num_output_channels == 1:
        return img
    return img.expand(*img.shape[:-3], 3, *img.shape[-2:])


def pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    """``(h, w)`` of one number or a sequence of one or two, all positive."""
    values: list[Any] = list(size) if isinstance(size, (list, tuple)) else [size]
    if len(values) not in (1, 2) or not all(isinstance(v, numbers.Integral) and int(v) > 0 for v in values):
        raise ValueError(f"{name} must be one or two positive integers, got {size}")
    return int(values[0]), int(values[-1])


def _target_size(height: int, width: int, size: int | Sequence[int], max_size: int | None) -> tuple[int, int]:
    new_height, new_width = pair("resize: size", size)
    if isinstance(size, (list, tuple)) and len(size) == 2:
        if max_size is not None:
            raise ValueError(f"resize: max_size goes with a size of one number, got size={tuple(size)}")
        return new_height, new_width
    short, long = min(height, width), max(height, width)
    if short == 0:
        raise ValueError(f"resize: the picture has no pixels, its height is {height} and its width {width}")
    new_short, new_long = new_height, int(new_height * long / short)
    if max_size is not None:
        if max_size <= new_short:
            raise ValueError(f"resize: max_size must be above size, got max_size={max_size}, size={size}")
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def _interpolation(mode: Any) -> InterpolationMode:
    """The mode itself, or the one that Pillow knows under this number."""
    if isinstance(mode, InterpolationMode):
        return mode
    for known, number in _PIL_FILTERS.items():
        if isinstance(mode, int) and number == mode:
            return known
    raise ValueError(f"resize: interpolation must be an InterpolationMode, got {mode!r}")


def _largest(dtype: Any) -> int:
    return 1 if dtype.is_floating_point else _LARGEST[str(dtype).split(".")[-1]]


def _loses(source: Any, target: Any) -> bool:
    names = str(source).split(".")[-1], str(target).split(".")[-1]
    return names in {("float32", "int32"), ("float32", "int64"), ("float64", "int64")}
