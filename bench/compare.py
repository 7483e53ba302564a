"""Interleaved timing of alternatives, the environment they ran in, and how both are printed."""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBJECT = "rushlight"

# A sample shorter than this is mostly the clock's own noise.
SAMPLE_SECONDS = 0.004
# OpenMP threads spin after a region; until they sleep they would slow the next candidate down.
SETTLE_SECONDS = 0.003


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median of the samples and half their interquartile range."""

    median: float
    spread: float


@dataclass(frozen=True)
class Row:
    """One line of a table: what was timed, how long each candidate took, and a rate if one makes sense."""

    name: str
    timings: Mapping[str, Timing]
    gflop: float | None = None
    notes: Mapping[str, float] = field(default_factory=dict)

    def ratio(self, other: str) -> float | None:
        """How many times faster rushlight is than `other`; None where `other` was not timed."""
        if other not in self.timings:
            return None
        return self.timings[other].median / self.timings[SUBJECT].median


def _sample(call: Callable[[], object], loops: int) -> float:
    time.sleep(SETTLE_SECONDS)
    call()  # wakes the threads and warms the caches
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def _loops(call: Callable[[], object]) -> int:
    """Calls that fill one sample, from a warm run."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-7)
    return max(1, int(SAMPLE_SECONDS / once))


def interleaved(candidates: Mapping[str, Callable[[], object]], samples: int = 9) -> dict[str, Timing]:
    """Times the candidates in turn, A B C A B C ..., so that a change of the machine's load meets all.

    Args:
        candidates: name to a call without arguments.
        samples: timed rounds; each sample lasts at least SAMPLE_SECONDS.

    Returns:
        The timing of each candidate, in seconds a call.
    """
    loops = {name: _loops(call) for name, call in candidates.items()}
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(samples):
        for name, call in candidates.items():
            seconds[name].append(_sample(call, loops[name]))
    return {name: _timing(values) for name, values in seconds.items()}


def _timing(values: list[float]) -> Timing:
    if len(values) < 2:
        return Timing(values[0], 0.0)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(statistics.median(values), (high - low) / 2)


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def environment() -> dict[str, str]:
    """What a reader needs to judge the figures: processor, level, threads, compiler, versions, commit."""
    import numpy

    import rushlight

    facts = {"cpu": _cpu_model(), "commit": _commit(), **rushlight.__config__.facts()}
    facts["numpy"] = numpy.__version__
    torch = torch_or_none()
    facts["torch"] = torch.__version__ if torch is not None else "not installed"
    return facts


def torch_or_none():  # type: ignore[no-untyped-def]
    """PyTorch where it is installed, else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def print_table(title: str, rows: Iterable[Row]) -> list[Row]:
    """Prints rows as they are measured, ratio first, and returns them."""
    print(f"\n{title}")
    done = []
    for row in rows:
        cells = []
        for other in row.timings:
            ratio = row.ratio(other)
            if other != SUBJECT and ratio is not None:
                cells.append(f"{ratio:5.2f}x {other}")
        for candidate, timing in row.timings.items():
            percent = 100 * timing.spread / timing.median
            rate = f", {row.gflop / timing.median:.0f} GFLOP/s" if row.gflop else ""
            cells.append(f"{candidate} {_duration(timing.median)} ±{percent:.0f}%{rate}")
        cells += [f"{key} {value:.3g}" for key, value in row.notes.items()]
        print(f"  {row.name:<34} {' | '.join(cells)}", flush=True)
        done.append(row)
    return done
