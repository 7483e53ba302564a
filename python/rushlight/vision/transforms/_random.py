"""Random numbers of the transforms: from the worker's generator where there is one, else the default one."""

from __future__ import annotations

import rushlight
from rushlight.utils.data._worker import current_generator


def chance(probability: float) -> bool:
    """True with the given probability."""
    return uniform(0.0, 1.0) < probability


def uniform(low: float, high: float) -> float:
    """A number from ``low`` (included) to ``high`` (not)."""
    return low + (high - low) * float(rushlight.rand(1, generator=current_generator()).item())


def integer(low: int, high: int) -> int:
    """An integer from ``low`` to ``high``, both included."""
    return int(rushlight.randint(low, high + 1, (1,), generator=current_generator()).item())
