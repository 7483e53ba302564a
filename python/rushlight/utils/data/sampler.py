"""Samplers: the order in which a dataset's items are read."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Generic, TypeVar

import rushlight

if TYPE_CHECKING:
    from rushlight import Generator

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of samplers: define ``__iter__``, which gives indices or lists of them, and maybe ``__len__``."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}: a Sampler must define __iter__()")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... up to the dataset's length."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order.

    Args:
        data_source: the dataset.
        replacement: draw each index independently, so that some come several times.
        num_samples: how many to draw, ``len(data_source)`` if None. Without replacement, more than that
            starts a second order, and so on.
        generator: where the randomness comes from. If None, every epoch's order is seeded from the default
            generator.

    Raises:
        ValueError: ``num_samples`` not positive.
        TypeError: ``replacement`` not a bool.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        _check_bool("RandomSampler", "replacement", replacement)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if num_samples is not None:
            _check_count("RandomSampler", "num_samples", num_samples)

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size = len(self.data_source)
        generator = self.generator or _seeded_from_default()
        if size == 0:
            return
        if self.replacement:
            yield from rushlight.randint(0, size, (self.num_samples,), generator=generator).tolist()
            return
        left = self.num_samples
        while left > 0:
            yield from rushlight.randperm(size, generator=generator).tolist()[:left]
            left -= size

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in rushlight.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn in proportion to their weights, which need not add up to 1.

    Without replacement it draws one after the other from what is left (Efraimidis and Spirakis 2006:
    the largest ``log(u) / weight`` come first).

    Args:
        weights: one non-negative number an item.
        num_samples: how many to draw.
        replacement: whether an index may come again.
        generator: where the randomness comes from; the default generator if None.

    Raises:
        ValueError: ``num_samples`` not positive, weights that are negative, not finite, or all zero, or fewer
            positive weights than samples to draw without replacement.
        TypeError: ``replacement`` not a bool.
    """

    def __init__(
        self,
        weights: Iterable[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        _check_bool("WeightedRandomSampler", "replacement", replacement)
        self.weights = [float(weight) for weight in weights]
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator
        for position, weight in enumerate(self.weights):
            if not 0 <= weight < math.inf:
                raise ValueError(
                    "WeightedRandomSampler: weights must be finite and not negative, "
                    f"got {weight} at index {position}"
                )
        positive = sum(weight > 0 for weight in self.weights)
        if positive == 0:
            raise ValueError("WeightedRandomSampler: at least one weight must be positive")
        if not replacement and num_samples > positive:
            raise ValueError(
                f"WeightedRandomSampler: cannot draw num_samples={num_samples} without replacement "
                f"from {positive} positive weights"
            )

    def __iter__(self) -> Iterator[int]:
        count = self.num_samples if self.replacement else len(self.weights)
        uniform = rushlight.rand(count, dtype=rushlight.float64, generator=self.generator).tolist()
        if self.replacement:
            sums = list(itertools.accumulate(self.weights))
            # bisect_right passes over weights of zero, but u * sums[-1] may round up to the last sum.
            last = bisect.bisect_left(sums, sums[-1])
            return iter([min(bisect.bisect_right(sums, u * sums[-1]), last) for u in uniform])
        keys = [
            math.log(u or 5e-324) / weight if weight else -math.inf
            for u, weight in zip(uniform, self.weights, strict=True)
        ]
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
        return iter(order[: self.num_samples])

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Gather another sampler's indices into lists.

    Args:
        sampler: gives single indices.
        batch_size: indices a list.
        drop_last: whether to leave out a last list that is shorter.

    Raises:
        ValueError: ``batch_size`` not a positive int, ``drop_last`` not a bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last must be a bool, got drop_last={drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def _seeded_from_default() -> Generator:
    seed = int(rushlight.randint(0, 2**63 - 1, ()).item())
    return rushlight.Generator().manual_seed(seed)


def _check_count(who: str, name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{who}: {name} must be a positive integer, got {name}={value!r}")


def _check_bool(who: str, name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{who}: {name} must be a bool, got {name}={value!r}")
