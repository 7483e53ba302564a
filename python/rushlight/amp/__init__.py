"""Automatic mixed precision: `torch.amp` for the CPU.

    with rushlight.autocast("cpu", dtype=rushlight.bfloat16):
        loss = criterion(model(images), labels)
    loss.backward()

Convolutions and matrix products take their operands in bfloat16, add up in float32 and give bfloat16; losses
and products over a tensor take float32; everything else runs in the type it is given. Parameters and their
gradients stay float32.
"""

from __future__ import annotations

from .autocast_mode import (
    autocast,
    get_autocast_dtype,
    is_autocast_available,
    is_autocast_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)

__all__ = [
    "autocast",
    "get_autocast_dtype",
    "is_autocast_available",
    "is_autocast_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
]
