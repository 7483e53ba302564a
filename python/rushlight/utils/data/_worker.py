"""What runs in a DataLoader's worker threads, and where randomness comes from while it does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rushlight import Generator


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker thread knows about itself.

    ``generator`` is this worker's own, seeded with ``seed``. The transforms of ``rushlight.vision`` use it,
    and so should a dataset that draws random numbers: the default generator is shared by all threads, so that
    what each of them gets from it would depend on their timing.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    generator: Generator


class _Local(threading.local):
    info: WorkerInfo | None = None
    generator: Generator | None = None


_local = _Local()


def get_worker_info() -> WorkerInfo | None:
    """The :class:`WorkerInfo` of the DataLoader worker thread that asks, None in any other thread."""
    return _local.info


def current_generator() -> Generator | None:
    """The generator that random transforms must use in this thread; None means the default one."""
    return _local.generator


@contextlib.contextmanager
def use_generator(generator: Generator) -> Iterator[None]:
    """Make random transforms in this thread draw from ``generator``."""
    before = _local.generator
    _local.generator = generator
    try:
        yield
    finally:
        _local.generator = before


@contextlib.contextmanager
def worker_scope(info: WorkerInfo) -> Iterator[None]:
    """Mark this thread as a worker for as long as it works."""
    _local.info = info
    try:
        with use_generator(info.generator):
            yield
    finally:
        _local.info = None
