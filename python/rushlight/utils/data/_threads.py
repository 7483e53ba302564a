"""The worker threads of a DataLoader and the iterator that reads ahead with them."""

from __future__ import annotations

import atexit
import collections
import itertools
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rushlight.utils.data._worker import WorkerInfo, worker_scope

# What a worker answers when its share of an IterableDataset has come to its end.
EXHAUSTED = object()

_JOIN_SECONDS = 5.0


class Epoch:
    """One pass over the data, shared by its iterator and the workers."""

    def __init__(self, make_fetch: Callable[[], Callable[[Any], Any]], workers: int) -> None:
        self._make_fetch = make_fetch
        self._fetches: list[Callable[[Any], Any] | None] = [None] * workers
        self._results: dict[int, tuple[Any, BaseException | None]] = {}
        self._changed = threading.Condition()
        self.cancelled = False

    def run(self, worker: int, number: int, indices: Any, start_error: BaseException | None) -> None:
        """In a worker: make batch ``number`` and hand it over, or the error that came instead."""
        batch, error = None, start_error
        if error is None:
            try:
                # Made here, so that an IterableDataset's __iter__ sees its worker's get_worker_info().
                fetch = self._fetches[worker] or self._make_fetch()
                self._fetches[worker] = fetch
                batch = fetch(indices)
            except BaseException as caught:
                error = caught
                _note(error, f"raised in DataLoader worker thread {worker}, while making batch {number}")
        with self._changed:
            self._results[number] = (batch, error)
            self._changed.notify_all()
        del error  # or exception, traceback and this frame would hold each other

    def take(self, number: int, timeout: float) -> tuple[Any, BaseException | None]:
        """In the consumer: wait for batch ``number``; its error comes back beside it, not raised."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while number not in self._results:
                left = deadline - time.monotonic() if timeout > 0 else None
                if left is not None and left <= 0:
                    raise RuntimeError(
                        f"DataLoader: timed out after {timeout} seconds waiting for batch {number}; "
                        "give it a longer timeout, or find out why the dataset is slow"
                    )
                self._changed.wait(left)
            return self._results.pop(number)


@dataclass(frozen=True)
class Task:
    epoch: Epoch
    number: int
    indices: Any


class ThreadPool:
    """Worker threads, each with a queue of its own: batch ``i`` always goes to the same worker."""

    def __init__(self, infos: list[WorkerInfo], init: Callable[[int], None] | None) -> None:
        self._queues: list[queue.SimpleQueue[Task | None]] = [queue.SimpleQueue() for _ in infos]
        self._threads = [
            # Daemons: a worker stuck in a user's dataset must not keep the interpreter from ending.
            threading.Thread(
                target=_work, args=(info, init, tasks), name=f"rushlight-loader-{info.id}", daemon=True
            )
            for info, tasks in zip(infos, self._queues, strict=True)
        ]
        for thread in self._threads:
            thread.start()
        _live_pools.add(self)

    def submit(self, worker: int, task: Task) -> None:
        self._queues[worker].put(task)

    def stop(self) -> None:
        """Let every thread finish the batch in hand and end; wait for that, but not for ever."""
        for tasks in self._queues:
            tasks.put(None)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def __del__(self) -> None:
        for tasks in self._queues:
            tasks.put(None)


_live_pools: weakref.WeakSet[ThreadPool] = weakref.WeakSet()


@atexit.register
def _stop_live_pools() -> None:
    """A thread that comes back from C++ while the interpreter is being torn down may crash it."""
    for pool in list(_live_pools):
        pool.stop()


class ThreadedIterator(Iterator[Any]):
    """Batches in the sampler's order, some of them made ahead by the pool.

    Args:
        pool: the threads.
        workers: how many.
        epoch: what the workers share with this iterator.
        indices: what to make each batch from.
        ahead: batches in the making for each worker.
        timeout: seconds to wait for a batch, 0 for ever.
        stop_pool: whether the pool ends with this epoch.
    """

    def __init__(
        self,
        pool: ThreadPool,
        workers: int,
        epoch: Epoch,
        indices: Iterator[Any],
        ahead: int,
        timeout: float,
        stop_pool: bool,
    ) -> None:
        self._pool = pool
        self._workers = workers
        self._epoch = epoch
        self._indices = indices
        self._timeout = timeout
        self._stop_pool = stop_pool
        self._exhausted: set[int] = set()
        self._pending: collections.deque[tuple[int, int]] = collections.deque()
        self._numbers = itertools.count()
        self._turn = 0
        for _ in range(ahead * workers):
            self._send()

    def __next__(self) -> Any:
        while self._pending:
            number, worker = self._pending[0]
            batch, error = self._epoch.take(number, self._timeout)
            self._pending.popleft()
            if batch is EXHAUSTED:
                self._exhausted.add(worker)
            self._send()
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # as above
            if batch is not EXHAUSTED:
                return batch
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Give up the batches still in the making."""
        self._epoch.cancelled = True
        self._pending.clear()
        if self._stop_pool:
            self._pool.stop()

    def __del__(self) -> None:
        self.close()

    def _send(self) -> None:
        """Ask the next worker that has something left for one more batch."""
        while len(self._exhausted) < self._workers:
            worker = self._turn % self._workers
            self._turn += 1
            if worker in self._exhausted:
                continue
            indices = next(self._indices, EXHAUSTED)
            if indices is not EXHAUSTED:
                number = next(self._numbers)
                self._pending.append((number, worker))
                self._pool.submit(worker, Task(self._epoch, number, indices))
            return


def _work(
    info: WorkerInfo, init: Callable[[int], None] | None, tasks: queue.SimpleQueue[Task | None]
) -> None:
    with worker_scope(info):
        start_error: BaseException | None = None
        try:
            if init is not None:
                init(info.id)
        except BaseException as caught:
            start_error = caught
            _note(caught, f"raised by worker_init_fn in DataLoader worker thread {info.id}")
        while (task := tasks.get()) is not None:
            if not task.epoch.cancelled:
                task.epoch.run(info.id, task.number, task.indices, start_error)
                start_error = None
            del task  # while waiting, hold neither the epoch nor an error that leads to its consumer


def _note(error: BaseException, text: str) -> None:
    if hasattr(error, "add_note"):  # Python 3.11 and later
        error.add_note(text)
