"""Datasets: things with ``dataset[i]`` (and a length), or things to iterate over."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import rushlight

if TYPE_CHECKING:
    from rushlight import Generator, Tensor

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Dataset(Generic[T_co]):
    """Base of datasets read by index: define ``__getitem__`` and, as most do, ``__len__``.

    A ``__getitems__(indices)`` that returns a list is used instead, where defined, to read a whole batch.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__}: a Dataset must define __getitem__(index)")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Base of datasets read in order: define ``__iter__``.

    With ``num_workers > 0`` every worker thread calls ``iter(dataset)`` of its own; share the items out with
    :func:`get_worker_info`, or each of them comes once per worker.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}: an IterableDataset must define __iter__()")

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset["tuple[Tensor, ...]"]):
    """Item ``i`` is the tuple of every tensor's row ``i``.

    Args:
        *tensors: tensors of the same length.

    Raises:
        ValueError: no tensor, or tensors of different lengths.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset: needs at least one tensor, got none")
        lengths = [tensor.shape[0] for tensor in tensors]
        if len(set(lengths)) > 1:
            raise ValueError(f"TensorDataset: tensors must have the same length, got {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class ConcatDataset(Dataset[T_co]):
    """Datasets read by index, one after the other.

    Raises:
        ValueError: no dataset at all, or an IterableDataset among them.
    """

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: needs at least one dataset, got an empty list")
        for position, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise ValueError(
                    f"ConcatDataset: dataset {position} is an IterableDataset, which has no index; "
                    "use ChainDataset"
                )
        self.cumulative_sizes = list(itertools.accumulate(_size(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} items")
        which = bisect.bisect_right(self.cumulative_sizes, position)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][position - before]


class ChainDataset(IterableDataset[T_co]):
    """IterableDatasets read one after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        for position, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: dataset {position} must be an IterableDataset, "
                    f"got {type(dataset).__name__}; use ConcatDataset for datasets read by index"
                )

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self.datasets:
            yield from dataset  # type: ignore[misc]

    def __len__(self) -> int:
        return sum(_size(dataset) for dataset in self.datasets)


class Subset(Dataset[T_co]):
    """The items of a dataset at the given indices, in that order.

    Args:
        dataset: a dataset read by index.
        indices: positions in it.
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        read_many = getattr(self.dataset, "__getitems__", None)
        chosen = [self.indices[i] for i in indices]
        if callable(read_many):
            items: list[T_co] = read_many(chosen)
            return items
        return [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Cut a dataset at random into parts that do not overlap.

    Args:
        dataset: a dataset with a length.
        lengths: items per part, adding up to ``len(dataset)``; or fractions adding up to 1, where what
            rounding leaves over goes to the first parts, one item each.
        generator: where the randomness comes from; the default generator if None.

    Returns:
        One :class:`Subset` a part.

    Raises:
        ValueError: lengths that do not add up, or a fraction outside 0..1.
    """
    total = _size(dataset)
    if math.isclose(sum(lengths), 1):
        counts = _counts_from_fractions(lengths, total)
    else:
        counts = [int(length) for length in lengths]
        if any(count != length or count < 0 for count, length in zip(counts, lengths, strict=True)):
            raise ValueError(
                f"random_split: lengths must be counts, or fractions that add up to 1, got {list(lengths)}"
            )
        if sum(counts) != total:
            raise ValueError(
                f"random_split: lengths must add up to the dataset's length {total}, "
                f"got {counts}, together {sum(counts)}"
            )
    order = rushlight.randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(counts)
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _counts_from_fractions(fractions: Sequence[int | float], total: int) -> list[int]:
    for position, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(
                f"random_split: fraction at index {position} must be between 0 and 1, got {fraction}"
            )
    counts = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(counts)):
        counts[i % len(counts)] += 1
    for position, count in enumerate(counts):
        if count == 0:
            warnings.warn(
                f"random_split: part {position} has no item ({total} items, fractions {list(fractions)})",
                stacklevel=3,
            )
    return counts


def _size(dataset: Dataset[Any]) -> int:
    length: int = len(dataset)  # type: ignore[arg-type]
    return length
