"""How the OpenMP runtime waits, decided before it is loaded (import this module before the engine).

By default GNU's runtime lets idle threads spin for tens of milliseconds, which halves the speed of
everything else on a busy machine. A quarter of a millisecond bridges the gap between two ops; then the
threads park. A user who sets OMP_WAIT_POLICY or GOMP_SPINCOUNT decides instead.
"""

from __future__ import annotations

import os

SPIN_COUNT = "4000"  # turns of a pause loop, about 60 ns each


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
