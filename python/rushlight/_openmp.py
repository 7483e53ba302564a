"""How the OpenMP runtime waits, decided before it is loaded (import this module before the engine).

By default GNU's runtime lets idle threads spin for tens of milliseconds, which halves the speed of
everything else on a busy machine. About two milliseconds bridge the Python between two ops and the wait for a
slower half; then the threads park. Less costs more than it saves: waking a parked thread takes longer than a
product of two 256 x 256 matrices. A user who sets OMP_WAIT_POLICY or GOMP_SPINCOUNT decides instead.
"""

from __future__ import annotations

import os

SPIN_COUNT = "32000"  # turns of a pause loop, about 60 ns each


def load_engine() -> None:
    """Loads the engine, and with it OpenMP, which reads its settings once, at that moment."""
    ours = "GOMP_SPINCOUNT" not in os.environ and "OMP_WAIT_POLICY" not in os.environ
    if ours:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    try:
        from . import _core  # noqa: F401
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]


load_engine()
