"""Files in the safetensors format, through the safetensors library (an optional extra)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType

import rushlight
from rushlight import _core

from ._atomic import atomic_write
from ._engine import UntypedStorage

__all__ = ["load_file", "save_file"]

# The format's names for dtypes, and ours.
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def _library() -> ModuleType:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "rushlight.io.safetensors needs the safetensors library: pip install rushlight[safetensors]"
        ) from error
    return safetensors


def load_file(filename: str | os.PathLike[str], device: str = "cpu") -> dict[str, rushlight.Tensor]:
    """Reads all tensors of a safetensors file.

    Args:
        filename: path of the file.
        device: ``"cpu"``, the only device.

    Returns:
        The tensors by name, each with memory of its own.

    Raises:
        RuntimeError: if the file is damaged, or holds a dtype that rushlight does not have.
        ImportError: if the safetensors library is missing.
    """
    if device != "cpu":
        raise ValueError(f"load_file: device must be 'cpu', the only device, got {device!r}")
    library = _library()
    with open(filename, "rb") as file:
        data = file.read()
    try:
        entries = library.deserialize(data)
    except library.SafetensorError as error:
        raise RuntimeError(f"load_file: {os.fspath(filename)!r}: {error}") from error
    tensors = {}
    for name, entry in entries:
        if entry["dtype"] not in _DTYPES:
            raise RuntimeError(
                f"load_file: {os.fspath(filename)!r}: tensor {name!r} has dtype {entry['dtype']}, "
                f"supported are {', '.join(_DTYPES)}"
            )
        storage = UntypedStorage._from_bytes(bytes(entry["data"]))
        size = tuple(entry["shape"])
        dtype = getattr(rushlight, _DTYPES[entry["dtype"]])
        tensors[name] = _core._tensor_on(storage, dtype, size, _contiguous_strides(size), 0)
    return tensors


def save_file(
    tensors: Mapping[str, rushlight.Tensor],
    filename: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
) -> None:
    """Writes named tensors as a safetensors file, which appears complete or not at all.

    Args:
        tensors: by name. Views are written as tensors of their own; tensors that share memory are refused,
            since the format cannot say so.
        filename: path of the file.
        metadata: text kept in the file's header.

    Raises:
        TypeError: if a value is no tensor.
        RuntimeError: if two tensors share memory.
        ImportError: if the safetensors library is missing.
    """
    library = _library()
    owners: dict[int, str] = {}
    kept = []  # the library reads memory by address
    specs = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, rushlight.Tensor):
            raise TypeError(f"save_file: {name!r} must be a Tensor, got {type(tensor).__name__}")
        owner = owners.setdefault(tensor.data_ptr(), name) if tensor.numel() else name
        if owner != name:
            raise RuntimeError(
                f"save_file: {owner!r} and {name!r} share memory, which the format cannot express; save "
                "one of them, or a clone() of each"
            )
        flat = tensor.detach().contiguous().reshape(-1)
        kept.append(flat)
        specs[name] = library.TensorSpec(
            dtype=str(tensor.dtype).removeprefix("torch."),
            shape=list(tensor.shape),
            data_ptr=flat.data_ptr(),
            data_len=flat.numel() * tensor.dtype.itemsize,
        )
    data = library.serialize(specs, metadata=metadata)
    with atomic_write(os.fspath(filename)) as file:
        file.write(data)


def _contiguous_strides(size: tuple[int, ...]) -> tuple[int, ...]:
    strides = []
    step = 1
    for extent in reversed(size):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))
