"""Transforms as objects, to be put into :class:`Compose` and given to a dataset."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import Tensor, nn
from rushlight.vision.transforms import _random
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._measure import get_dimensions
from rushlight.vision.transforms._padding import pad
from rushlight.vision.transforms.functional import InterpolationMode


class Compose:
    """Several transforms, one after the other.

    Args:
        transforms: callables of one argument.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


class ToTensor:
    """A Pillow image or numpy array 0..255 to a float tensor 0..1: :func:`functional.to_tensor`."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """A Pillow image to a tensor of its own dtype: :func:`functional.pil_to_tensor`."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class Lambda:
    """A function of the user's as a transform.

    Raises:
        TypeError: not callable.
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: lambd must be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class _Transform(nn.Module):
    """Base: an nn.Module without parameters whose repr lists the named attributes."""

    _shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = (f"{name}={_show(getattr(self, name))}" for name in self._shown)
        return f"{type(self).__name__}({', '.join(shown)})"


class ConvertImageDtype(_Transform):
    """Another dtype at its scale: :func:`functional.convert_image_dtype`."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(_Transform):
    """``(image - mean) / std`` a channel: :func:`functional.normalize`."""

    _shown = ("mean", "std")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(_Transform):
    """Resize: :func:`functional.resize`, with the same arguments."""

    _shown = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool = True,
    ) -> None:
        super().__init__()
        F.pair("Resize: size", size)
        self.size, self.interpolation, self.max_size, self.antialias = (
            size,
            interpolation,
            max_size,
            antialias,
        )

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(_Transform):
    """The middle of a picture: :func:`functional.center_crop`."""

    _shown = ("size",)

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = F.pair("CenterCrop: size", size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(_Transform):
    """A border around the picture: :func:`functional.pad`, with the same arguments."""

    _shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return pad(img, self.padding, self.fill, self.padding_mode)


class Grayscale(_Transform):
    """Brightness: :func:`functional.rgb_to_grayscale`."""

    _shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomHorizontalFlip(_Transform):
    """Mirror left to right with probability ``p``."""

    _shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = _probability(type(self).__name__, p)

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if _random.chance(self.p) else img


class RandomVerticalFlip(_Transform):
    """Turn upside down with probability ``p``."""

    _shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = _probability(type(self).__name__, p)

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if _random.chance(self.p) else img


class RandomCrop(_Transform):
    """A part of the given size, anywhere in the picture.

    Args:
        size: ``(h, w)`` or one number for both.
        padding: border put around first, as in :class:`Pad`.
        pad_if_needed: pad pictures that are too small, on both sides alike.
        fill: the border's value.
        padding_mode: as in :class:`Pad`.

    Raises:
        ValueError: on use, a picture smaller than ``size``.
    """

    _shown = ("size", "padding")

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = F.pair("RandomCrop: size", size)
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = (
            padding,
            pad_if_needed,
            fill,
            padding_mode,
        )

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """``(top, left, height, width)`` drawn at random."""
        _, height, width = get_dimensions(img)
        crop_height, crop_width = output_size
        if height < crop_height or width < crop_width:
            raise ValueError(
                f"RandomCrop: the crop size {output_size} is larger than the picture's {(height, width)}; "
                "set pad_if_needed=True or resize it first"
            )
        top = _random.integer(0, height - crop_height)
        left = _random.integer(0, width - crop_width)
        return top, left, crop_height, crop_width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = get_dimensions(img)
            border = (max(self.size[1] - width, 0), max(self.size[0] - height, 0))
            if any(border):
                img = pad(img, border, self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomResizedCrop(_Transform):
    """A part of random size and shape, resized: the usual augmentation for photographs.

    Args:
        size: of the result, ``(h, w)`` or one number for both.
        scale: range of the part's area as a fraction of the picture's.
        ratio: range of its width / height, drawn evenly on a logarithmic scale.
        interpolation: as in :class:`Resize`.
        antialias: as in :class:`Resize`.

    Source: Szegedy et al. 2015, as torchvision does it: ten tries, then the largest part in the middle.
    """

    _shown = ("size", "scale", "ratio", "interpolation", "antialias")

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool = True,
    ) -> None:
        super().__init__()
        self.size = F.pair("RandomResizedCrop: size", size)
        for name, span in (("scale", scale), ("ratio", ratio)):
            if len(span) != 2:
                raise TypeError(f"RandomResizedCrop: {name} must be two numbers, got {span}")
            if span[0] > span[1]:
                warnings.warn(
                    f"RandomResizedCrop: {name} should be (smaller, larger), got {span}", stacklevel=2
                )
        self.scale, self.ratio = tuple(scale), tuple(ratio)
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """``(top, left, height, width)`` drawn at random."""
        _, height, width = get_dimensions(img)
        for _ in range(10):
            area = height * width * _random.uniform(*scale)
            aspect = math.exp(_random.uniform(math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return _random.integer(0, height - h), _random.integer(0, width - w), h, w
        h, w = height, width
        if width / height < min(ratio):
            h = round(width / min(ratio))
        elif width / height > max(ratio):
            w = round(height * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        top, left, height, width = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, top, left, height, width, self.size, self.interpolation, self.antialias)


def _show(value: Any) -> Any:
    if isinstance(value, InterpolationMode):
        return value.value
    if isinstance(value, tuple):
        return tuple(round(number, 4) for number in value)
    return value


def _probability(who: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: p must be between 0 and 1, got {p}")
    return p
