"""``torch.finfo`` and ``torch.iinfo``: the limits of the element types."""

from __future__ import annotations

from . import _core
from ._core import dtype as _dtype

# dtype: (bits, explicit mantissa bits, largest binary exponent, decimal digits PyTorch calls its resolution)
_FLOATS: dict[_dtype, tuple[int, int, int, int]] = {
    _core.float16: (16, 10, 15, 3),
    _core.bfloat16: (16, 7, 127, 2),
    _core.float32: (32, 23, 127, 6),
    _core.float64: (64, 52, 1023, 15),
}
_INTS: dict[_dtype, tuple[int, bool]] = {
    _core.uint8: (8, False),
    _core.int8: (8, True),
    _core.int16: (16, True),
    _core.int32: (32, True),
    _core.int64: (64, True),
}


def _name(type: _dtype) -> str:
    return str(type).removeprefix("torch.")


class finfo:
    """The limits of a floating-point type.

    Args:
        type: a floating dtype; by default the default dtype.

    Attributes:
        bits: size of a number.
        eps: distance from 1 to the next number.
        max, min: largest and most negative finite number.
        tiny, smallest_normal: smallest positive number of full precision.
        resolution: 10 to the minus number of decimal digits that are kept.
    """

    def __init__(self, type: _dtype | None = None) -> None:
        type = _core.get_default_dtype() if type is None else type
        if type not in _FLOATS:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{type}'"
            )
        self.bits, mantissa, exponent, digits = _FLOATS[type]
        self.dtype = _name(type)
        self.eps = 2.0**-mantissa
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = float(f"1e-{digits}")

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        shown = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({shown}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer type.

    Args:
        type: an integer dtype.

    Attributes:
        bits: size of a number.
        max, min: largest and smallest number.
    """

    def __init__(self, type: _dtype) -> None:
        if type not in _INTS:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'"
            )
        self.bits, signed = _INTS[type]
        self.dtype = _name(type)
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -self.max - 1 if signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
