"""What the process costs beside the computation: memory statistics, idle threads, the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import rushlight as rl


def _output(code: str, **environment: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_memory_stats() -> None:
    rl.empty_cache()
    before = rl.memory_stats()
    rl.reset_peak_memory_stats()
    block = rl.empty(1 << 20)
    held = rl.memory_stats()
    assert held["allocated_bytes"] >= before["allocated_bytes"] + (4 << 20)
    assert held["allocation_count"] > before["allocation_count"]
    del block
    freed = rl.memory_stats()
    assert freed["allocated_bytes"] <= before["allocated_bytes"]
    assert freed["cached_bytes"] >= 4 << 20
    assert freed["reserved_bytes"] == freed["allocated_bytes"] + freed["cached_bytes"]
    assert freed["peak_allocated_bytes"] >= held["allocated_bytes"]
    assert freed["peak_reserved_bytes"] >= freed["reserved_bytes"]
    rl.empty_cache()
    rl.reset_peak_memory_stats()
    after = rl.memory_stats()
    assert after["peak_allocated_bytes"] == after["allocated_bytes"]
    assert after["peak_reserved_bytes"] == after["reserved_bytes"]


IDLE = """
import time
import rushlight as rl
rl.set_num_threads(2)
x = rl.ones(1 << 20)
x.add_(x)
time.sleep(0.01)
start, cpu = time.perf_counter(), time.process_time()
time.sleep(0.3)
print((time.process_time() - cpu) / (time.perf_counter() - start))
"""


def test_idle_threads_sleep() -> None:
    """Ten milliseconds after the last op the process uses less than 1 % of a core."""
    assert float(_output(IDLE)) < 0.01


@pytest.mark.parametrize("count", [1, 3])
def test_omp_num_threads_is_respected(count: int) -> None:
    code = "import rushlight as rl; print(rl.get_num_threads())"
    assert int(_output(code, OMP_NUM_THREADS=str(count))) == count


@pytest.mark.parametrize("count", [0, -1, 5000])
def test_a_wrong_number_of_threads_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=str(count)):
        rl.set_num_threads(count)
