"""The context manager, and the state of this thread behind it."""

from __future__ import annotations

import warnings
from contextlib import ContextDecorator
from types import TracebackType

from .. import _core

_SUPPORTED = (_core.bfloat16, _core.float16)
_noticed = False


def notice_missing_units(what: str) -> None:
    """Says once that bfloat16 brings no speed on this CPU, to who called the caller: `what` was asked for."""
    global _noticed
    if _noticed or _core._has_bfloat16_units():
        return
    _noticed = True
    warnings.warn(
        f"{what}: this CPU has no bfloat16 units (AMX), or RUSHLIGHT_ISA leaves them out: products of "
        "bfloat16 tensors are computed in float32. Results are right, but plain float32 is faster here.",
        stacklevel=3,
    )


def _is_cpu(device_type: str) -> bool:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    return device_type == "cpu"


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast works on such a device: on the CPU."""
    return _is_cpu(device_type)


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """Whether autocast is on in this thread."""
    return _is_cpu(device_type) and _core._autocast_state()[0]


def get_autocast_dtype(device_type: str = "cpu") -> _core.dtype:
    """The type that autocast lowers to in this thread."""
    _is_cpu(device_type)
    return _core._autocast_state()[1]


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switches autocast on or off in this thread; `autocast` does it for a block."""
    if _is_cpu(device_type):
        _core._set_autocast_state(enabled, _core._autocast_state()[1])


def set_autocast_dtype(device_type: str, dtype: _core.dtype) -> None:
    """Sets the type that autocast lowers to in this thread."""
    if _is_cpu(device_type):
        _core._set_autocast_state(_core._autocast_state()[0], dtype)


class autocast(ContextDecorator):
    """Runs a block, or a function it decorates, in mixed precision.

    Backward passes belong outside: they use the types that the forward ops used.

    Args:
        device_type: "cpu"; other devices are passed over with a warning.
        dtype: bfloat16 (the default) or float16; others switch autocast off with a warning.
        enabled: False switches it off inside another block.
        cache_enabled: accepted as PyTorch does; convolutions round their weights while they read them.

    On a CPU without bfloat16 units, products are computed in float32; a warning says so once.

    Raises:
        ValueError: device_type is no string.
    """

    def __init__(
        self,
        device_type: str,
        dtype: _core.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not _is_cpu(device_type) and enabled:
            warnings.warn(
                f"User provided device_type of {device_type!r}, but rushlight runs on the CPU only. "
                "Disabling",
                stacklevel=2,
            )
            enabled = False
        self.device = device_type
        self.fast_dtype = dtype if dtype is not None else get_autocast_dtype("cpu")
        if enabled and self.fast_dtype not in _SUPPORTED:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"CPU autocast supports bfloat16 and float16, got {self.fast_dtype}",
                stacklevel=2,
            )
            enabled = False
        if enabled and self.fast_dtype == _core.bfloat16:
            notice_missing_units("autocast")
        self._enabled = enabled
        self._before: list[tuple[bool, _core.dtype]] = []  # one entry can be inside another

    def __enter__(self) -> autocast:
        self._before.append(_core._autocast_state())
        _core._set_autocast_state(self._enabled, self.fast_dtype)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _core._set_autocast_state(*self._before.pop())
