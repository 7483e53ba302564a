"""``load`` and ``save``: PyTorch's checkpoint files, without running what a file asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, TypeAlias

import rushlight

from ._atomic import atomic_write
from ._errors import CheckpointError

__all__ = ["load", "save"]

FileLike: TypeAlias = "str | os.PathLike[str] | BinaryIO"
MapLocation: TypeAlias = "str | rushlight.device | Mapping[str, Any] | Callable[[Any, str], Any]"


def load(
    f: FileLike,
    map_location: MapLocation | None = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """Reads a checkpoint that ``rushlight.save`` or ``torch.save`` wrote, in the zip or the legacy (pre-1.6)
    format.

    The reader is closed: it builds tensors, containers and numbers, and nothing that a file names is ever
    imported or called. Tensors that shared memory when they were saved share it again, with their strides.

    Args:
        f: a path, or a seekable binary file object.
        map_location: where storages go, as in PyTorch. The CPU is the only place, so this matters only for
            files saved from another device: give ``"cpu"``, a dict such as ``{"cuda:0": "cpu"}``, or a
            function of (storage, location) that returns the storage.
        pickle_module: must be None; the reader is closed.
        weights_only: accepted as in PyTorch; reading is always restricted.
        mmap: map the file into memory instead of reading it (paths and zip format only). Changes to the
            tensors stay in memory.

    Returns:
        The saved object.

    Raises:
        CheckpointError: (a RuntimeError and a pickle.UnpicklingError) if the file is truncated, damaged,
            malicious, holds what is not data, or was saved from another device and `map_location` does not
            bring it here.
        FileNotFoundError: if there is no such file.
        TypeError, ValueError: for arguments that make no sense.
    """
    if pickle_module is not None:
        raise ValueError(
            "load: pickle_module must be None, rushlight reads checkpoints with its closed reader only"
        )
    del weights_only
    from ._reader import read_checkpoint  # what only loading needs is not imported with the package

    check_location = _location_check(map_location)
    if isinstance(f, (str, os.PathLike)):
        where = repr(os.fspath(f))
        with open(f, "rb") as file:
            return read_checkpoint(file, where, check_location, bool(mmap))
    if mmap:
        raise ValueError("load: f must be a path when mmap=True, got a file object")
    if not all(hasattr(f, name) for name in ("read", "readline", "seek", "tell")):
        raise TypeError(f"load: f must be a path or a seekable binary file object, got {type(f).__name__}")
    return read_checkpoint(f, getattr(f, "name", None) or "the file object", check_location, False)


def _location_check(map_location: MapLocation | None) -> Callable[[Any], None]:
    """Returns a function that raises unless `map_location` brings a storage of its location to the CPU."""
    if not (
        map_location is None
        or isinstance(map_location, (str, rushlight.device, Mapping))
        or callable(map_location)
    ):
        raise TypeError(
            "load: map_location must be None, a string, a device, a dict or a function, "
            f"got {type(map_location).__name__}"
        )
    if isinstance(map_location, (str, rushlight.device)) and str(map_location).split(":")[0] != "cpu":
        raise ValueError(f"load: map_location must be 'cpu', the only device, got {str(map_location)!r}")

    def check(location: Any) -> None:
        if type(location) is not str:
            raise CheckpointError(
                f"load: a storage's location is a {type(location).__name__}, expected a text"
            )
        target: Any = location
        if isinstance(map_location, Mapping):
            target = map_location.get(location, location)
        elif callable(map_location):
            if map_location(_Located(location), location) is not None:
                return
        elif map_location is not None:
            return
        if str(target).split(":")[0] != "cpu":
            raise CheckpointError(
                f"load: Attempting to deserialize object on device {str(target)!r:.40}, but rushlight has "
                "the CPU only. Use load with map_location='cpu' to map your storages to the CPU."
            )

    return check


class _Located:
    """What a map_location function is shown of a storage: where it was."""

    def __init__(self, location: str) -> None:
        self.location = location

    def cpu(self) -> _Located:
        return self


def save(obj: Any, f: FileLike, pickle_module: Any = None, pickle_protocol: int = 2) -> None:
    """Writes a checkpoint that ``rushlight.load`` and ``torch.load(weights_only=True)`` read.

    The file appears complete or not at all: it is written beside its place, flushed to the disk and renamed.

    Args:
        obj: tensors, Parameters, numbers, text, bytes, None, sizes, dtypes, devices, and list, tuple, dict,
            OrderedDict (with attributes such as ``_metadata``), Counter and set of them. Tensors keep their
            strides and share memory in the file as they do here; the whole storage below a view is written.
        f: a path or a writable binary file object.
        pickle_module: must be None.
        pickle_protocol: must be 2, the one that ``torch.load(weights_only=True)`` reads.

    Raises:
        TypeError: if `obj` holds anything else; the message says where.
        RuntimeError: if the folder of `f` does not exist.
    """
    if pickle_module is not None or pickle_protocol != 2:
        raise ValueError(
            f"save: pickle_module must be None and pickle_protocol 2, got {pickle_module!r} and "
            f"{pickle_protocol!r}"
        )
    from ._pickler import Pickler
    from ._zip import write_archive

    pickler = Pickler()
    pickler.dump(obj)

    def entries() -> Iterator[tuple[str, memoryview]]:
        yield "data.pkl", memoryview(pickler.program)
        yield ".format_version", memoryview(b"1")
        yield ".storage_alignment", memoryview(b"64")
        yield "byteorder", memoryview(b"little")
        for key, storage in enumerate(pickler.storages):
            yield f"data/{key}", memoryview(storage)
        yield "version", memoryview(b"3\n")

    if isinstance(f, (str, os.PathLike)):
        with atomic_write(os.fspath(f)) as file:
            write_archive(file, entries())
    elif hasattr(f, "write"):
        write_archive(f, entries())
    else:
        raise TypeError(f"save: f must be a path or a writable binary file object, got {type(f).__name__}")
