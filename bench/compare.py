"""Cases, and their interleaved timing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Call = Callable[[], object]
# Name of a candidate -> the call to be timed. The first word of a name is the library: "torch" and
# "torch channels-last" are two ways to ask the same rival.
Candidates = Mapping[str, Call]
SUBJECT = "rushlight"

# A sample shorter than this is mostly the clock's own noise.
SAMPLE_SECONDS = 0.01
# Threads that slept are often woken on the processor of the caller, and moved apart only milliseconds later:
# until then some candidates run at a twentieth of their speed.
WARM_SECONDS = 0.02
# Threads spin after their work; until they sleep they would slow the next candidate down.
SETTLE_SECONDS = 0.02


@dataclass(frozen=True)
class Case:
    """Something to time: its name, what makes the calls, and the least work that it is.

    `flop` counts a multiply-add as two. `bytes` is what must move between memory and processor if every
    operand is read and every result written once; `traffic` is "stream", "update" where an operand is
    written in place, "read" where nothing large is written. 0 where it says nothing.
    """

    name: str
    make: Callable[[], Candidates]
    flop: float = 0.0
    bytes: float = 0.0
    traffic: str = "stream"


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median of the samples and half their interquartile range."""

    median: float
    spread: float


@dataclass(frozen=True)
class Row:
    """What became of a case."""

    case: Case
    timings: Mapping[str, Timing]

    def ratios(self) -> dict[str, float]:
        """How many times faster rushlight is than each other library at its best."""
        best: dict[str, float] = {}
        for candidate, timing in self.timings.items():
            library = candidate.split()[0]
            if library != SUBJECT:
                best[library] = min(best.get(library, timing.median), timing.median)
        return {library: seconds / self.timings[SUBJECT].median for library, seconds in best.items()}


def _sample(call: Call, once: float) -> float:
    time.sleep(SETTLE_SECONDS)
    for _ in range(round(WARM_SECONDS / once)):
        call()
    loops = max(1, round(SAMPLE_SECONDS / once))
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def _once(call: Call) -> float:
    """Seconds of a warm call."""
    call()
    start = time.perf_counter()
    call()
    return max(time.perf_counter() - start, 1e-7)


def interleaved(candidates: Candidates, samples: int = 9) -> dict[str, Timing]:
    """Times the candidates in turn, A B C A B C ..., so that a change of the machine's load meets all.

    Args:
        candidates: name to a call without arguments.
        samples: timed rounds; each sample lasts at least SAMPLE_SECONDS.

    Returns:
        The timing of each candidate, in seconds a call.
    """
    once = {name: _once(call) for name, call in candidates.items()}
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(samples):
        for name, call in candidates.items():
            seconds[name].append(_sample(call, once[name]))
    return {name: _timing(values) for name, values in seconds.items()}


def _timing(values: list[float]) -> Timing:
    if len(values) < 2:
        return Timing(values[0], 0.0)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(statistics.median(values), (high - low) / 2)
