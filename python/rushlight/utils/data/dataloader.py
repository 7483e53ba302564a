"""DataLoader: batches out of a dataset, read ahead by threads."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import rushlight
from rushlight.utils.data._threads import EXHAUSTED, Epoch, ThreadedIterator, ThreadPool
from rushlight.utils.data._worker import WorkerInfo
from rushlight.utils.data.collate import default_collate, default_convert
from rushlight.utils.data.dataset import Dataset, IterableDataset
from rushlight.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from rushlight import Generator

T_co = TypeVar("T_co", covariant=True)

_FIXED = frozenset({"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"})


class DataLoader(Generic[T_co]):
    """Iterate over a dataset in batches, in PyTorch's way.

    **Where it differs:** workers are threads of this process, not processes. Nothing is pickled or copied, so
    any dataset, closure or open file works and starting costs nothing; the dataset is shared, so its
    ``__getitem__`` must not change it without a lock. Reading files, decoding pictures and rushlight's own
    work run beside the training; a dataset that is mostly Python code does not, because Python runs one
    thread at a time. An error in a worker is raised in the consumer as the object it was, with its own
    traceback.

    The order of the batches does not depend on ``num_workers``. Each worker has a generator of its own
    (:func:`get_worker_info`), seeded from ``generator`` at the start of an epoch, and batch ``i`` always goes
    to worker ``i % num_workers``, so random transforms repeat as long as ``num_workers`` stays the same.

    Args:
        dataset: read by index (:class:`Dataset`, or anything with ``__getitem__`` and ``__len__``) or
            in order (:class:`IterableDataset`).
        batch_size: samples a batch; None turns batching off.
        shuffle: read in random order, a new one every epoch.
        sampler: gives the indices instead; excludes ``shuffle``.
        batch_sampler: gives lists of indices instead; excludes ``batch_size``, ``shuffle``, ``sampler``,
            ``drop_last``.
        num_workers: threads that make batches ahead; 0 makes each one when it is asked for.
        collate_fn: makes a batch of a list of samples, :func:`default_collate` if None.
        pin_memory: accepted, without effect: there is no other device to copy to.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a worker's batch, 0 for ever.
        worker_init_fn: called in each worker thread with its number, before its first batch.
        multiprocessing_context: accepted with a warning: there are no processes.
        generator: randomness of shuffling and of the workers; the default generator if None.
        prefetch_factor: batches made ahead by each worker, 2 if None.
        persistent_workers: keep the threads from one epoch to the next.
        pin_memory_device: accepted, without effect.
        in_order: accepted; batches always come in order.

    Raises:
        ValueError: options that exclude each other, negative numbers.
        TypeError: ``timeout`` or ``num_workers`` not a number.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if multiprocessing_context is not None:
            warnings.warn(
                "DataLoader: multiprocessing_context has no effect, the workers are threads", stacklevel=2
            )
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers

        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last, "
                    f"got batch_size={batch_size}, shuffle={shuffle}, sampler={sampler}, "
                    f"drop_last={drop_last}"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None turns batching off and excludes drop_last=True")
        if isinstance(dataset, IterableDataset):
            _check_iterable(shuffle, sampler, batch_sampler)
            sampler = _Endless()
        elif sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler excludes shuffle=True: the sampler decides the order")
        elif sampler is None:
            make = RandomSampler if shuffle else SequentialSampler
            options = {"generator": generator} if shuffle else {}
            sampler = make(dataset, **options) if batch_sampler is None else ()  # type: ignore[arg-type]
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._pool: ThreadPool | None = None
        self._ready = True

    def __setattr__(self, name: str, value: object) -> None:
        if name in _FIXED and getattr(self, "_ready", False):
            raise ValueError(
                f"DataLoader: {name} cannot be set after the DataLoader was made; make a new one"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        # Drawn first and for any num_workers, so that the order of the batches is the same for all of them.
        seed = int(rushlight.randint(0, 2**62, (), generator=self.generator).item())
        indices = iter(self._index_source)
        if self.num_workers == 0:
            return _SerialIterator(self._make_fetch(), indices)
        pool = self._pool or self._start_pool(seed)
        if self.persistent_workers:
            self._pool = pool
        return ThreadedIterator(
            pool,
            self.num_workers,
            Epoch(self._make_fetch, self.num_workers),
            indices,
            ahead=self.prefetch_factor or 2,
            timeout=self.timeout,
            stop_pool=not self.persistent_workers,
        )

    def __len__(self) -> int:
        """Batches an epoch; for an IterableDataset what its ``__len__`` promises."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_source)  # type: ignore[arg-type]
        length: int = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    @property
    def _index_source(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _make_fetch(self) -> Callable[[Any], Any]:
        batching = self.batch_sampler is not None
        if isinstance(self.dataset, IterableDataset):
            return _StreamFetch(self.dataset, self.collate_fn, batching, self.drop_last)
        return _IndexFetch(self.dataset, self.collate_fn, batching)

    def _start_pool(self, seed: int) -> ThreadPool:
        infos = [
            WorkerInfo(
                i, self.num_workers, seed + i, self.dataset, rushlight.Generator().manual_seed(seed + i)
            )
            for i in range(self.num_workers)
        ]
        return ThreadPool(infos, self.worker_init_fn)


class _Endless:
    """The sampler of an IterableDataset: it has no indices, only an end of its own."""

    def __iter__(self) -> Iterator[int]:
        return itertools.repeat(0)


class _SerialIterator(Iterator[Any]):
    def __init__(self, fetch: Callable[[Any], Any], indices: Iterator[Any]) -> None:
        self._fetch = fetch
        self._indices = indices

    def __next__(self) -> Any:
        batch = self._fetch(next(self._indices))
        if batch is EXHAUSTED:
            raise StopIteration
        return batch


class _IndexFetch:
    def __init__(self, dataset: Any, collate: Callable[[Any], Any], batching: bool) -> None:
        self._dataset = dataset
        self._collate = collate
        self._batching = batching

    def __call__(self, indices: Any) -> Any:
        try:
            if not self._batching:
                samples = self._dataset[indices]
            elif hasattr(self._dataset, "__getitems__"):
                samples = self._dataset.__getitems__(indices)
            else:
                samples = [self._dataset[i] for i in indices]
        except StopIteration as error:
            # Let through, it would end the loop over the batches without a word.
            raise RuntimeError(f"DataLoader: the dataset raised StopIteration for index {indices}") from error
        return self._collate(samples)


class _StreamFetch:
    def __init__(
        self, dataset: Iterable[Any], collate: Callable[[Any], Any], batching: bool, drop_last: bool
    ) -> None:
        self._items = iter(dataset)
        self._collate = collate
        self._batching = batching
        self._drop_last = drop_last

    def __call__(self, indices: Any) -> Any:
        if not self._batching:
            item = next(self._items, EXHAUSTED)
            return item if item is EXHAUSTED else self._collate(item)
        samples = list(itertools.islice(self._items, len(indices)))
        if not samples or (self._drop_last and len(samples) < len(indices)):
            return EXHAUSTED
        return self._collate(samples)


def _check_workers(num_workers: object, timeout: object, prefetch: object, persistent: bool) -> None:
    if not isinstance(num_workers, int):
        raise TypeError(f"DataLoader: num_workers must be an integer, got {num_workers!r}")
    if num_workers < 0:
        raise ValueError(
            f"DataLoader: num_workers must not be negative, got {num_workers}; 0 means no threads"
        )
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"DataLoader: timeout must be a number of seconds, got {timeout!r}")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must not be negative, got {timeout}; 0 waits for ever")
    if prefetch is not None and (not isinstance(prefetch, int) or prefetch <= 0):
        raise ValueError(f"DataLoader: prefetch_factor must be a positive integer, got {prefetch!r}")
    if num_workers == 0:
        for name, given in (
            ("timeout", timeout),
            ("prefetch_factor", prefetch),
            ("persistent_workers", persistent),
        ):
            if given:
                raise ValueError(f"DataLoader: {name}={given!r} needs num_workers > 0, got num_workers=0")


def _check_iterable(shuffle: object, sampler: object, batch_sampler: object) -> None:
    for name, given in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if given not in (None, False):
            raise ValueError(
                f"DataLoader: an IterableDataset decides its own order and excludes {name}, "
                f"got {name}={given!r}"
            )
