"""Making one batch out of a list of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import rushlight

_FOUND = (
    "default_collate: samples must hold tensors, numpy arrays, numbers, strings, dicts or sequences; found {}"
)


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack a list of samples into one batch, as PyTorch does.

    Tensors and numpy arrays get a new first dimension; ints become an int64 tensor, floats a float64 one;
    strings and bytes stay a list; dicts, named tuples, tuples and lists are collated field by field (a plain
    tuple of fields comes out as a list of batches).

    Args:
        batch: samples of the same structure, at least one.

    Raises:
        RuntimeError: tensors of different shapes, or sequences of different lengths.
        TypeError: something it cannot stack; give the DataLoader a ``collate_fn``.
        ValueError: no sample.
    """
    if len(batch) == 0:
        raise ValueError("default_collate: needs at least one sample, got an empty list")
    first = batch[0]
    if isinstance(first, rushlight.Tensor):
        _check_same_shape([tuple(sample.shape) for sample in batch])
        return rushlight.stack(list(batch), 0)
    if _is_numpy(first):
        return _collate_numpy(batch)
    if isinstance(first, float):
        return rushlight.tensor(batch, dtype=rushlight.float64)
    if isinstance(first, int):
        return rushlight.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _rebuild_mapping(first, lambda key: default_collate([sample[key] for sample in batch]))
    if isinstance(first, Sequence):
        return _collate_sequences(batch)
    raise TypeError(_FOUND.format(_describe(first)))


def default_convert(data: Any) -> Any:
    """Turn the numpy arrays in one sample into tensors; used where batching is off (``batch_size=None``)."""
    if isinstance(data, (rushlight.Tensor, str, bytes)):
        return data
    if _is_numpy(data):
        return data if data.dtype.kind in "SUO" else rushlight.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, lambda key: default_convert(data[key]))
    if isinstance(data, tuple):
        converted = [default_convert(item) for item in data]
        return type(data)(*converted) if hasattr(data, "_fields") else converted
    if isinstance(data, Sequence):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def _collate_sequences(batch: Sequence[Any]) -> Any:
    first = batch[0]
    lengths = [len(sample) for sample in batch]
    if len(set(lengths)) > 1:
        raise RuntimeError(
            f"default_collate: each element in list of batch should be of equal size, got lengths {lengths}; "
            "give the DataLoader a collate_fn that pads or groups them"
        )
    fields = [default_collate(list(samples)) for samples in zip(*batch, strict=True)]
    if hasattr(first, "_fields"):
        return type(first)(*fields)
    return fields if isinstance(first, tuple) else _rebuild_sequence(first, fields)


def _collate_numpy(batch: Sequence[Any]) -> Any:
    import numpy

    first = batch[0]
    if first.dtype.kind in "SUO":
        raise TypeError(_FOUND.format(f"a numpy {type(first).__name__} of {first.dtype}"))
    _check_same_shape([tuple(sample.shape) for sample in batch])
    return rushlight.as_tensor(numpy.stack(batch))


def _check_same_shape(shapes: list[tuple[int, ...]]) -> None:
    for position, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise RuntimeError(
                "default_collate: the samples of a batch must have one shape, "
                f"got {shapes[0]} at entry 0 and {shape} at entry {position}; "
                "resize or crop them alike, or give the DataLoader a collate_fn"
            )


def _is_numpy(value: object) -> bool:
    """Whether it is a numpy array or scalar, asked without importing numpy."""
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def _rebuild_mapping(example: Any, make: Callable[[Any], Any]) -> Any:
    values = {key: make(key) for key in example}
    try:
        if isinstance(example, MutableMapping):
            clone = copy.copy(example)
            clone.update(values)
            return clone
        return type(example)(values)
    except TypeError:
        return values


def _rebuild_sequence(example: Any, items: list[Any]) -> Any:
    try:
        if isinstance(example, MutableSequence):
            clone = copy.copy(example)
            clone[:] = items
            return clone
        return type(example)(items)
    except TypeError:
        return items


def _describe(value: object) -> str:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if name.startswith("PIL."):
        return f"{name} (give the dataset transform=ToTensor())"
    return name
