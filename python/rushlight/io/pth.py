"""``load`` and ``save``: PyTorch's checkpoint files, without running what a file asks for."""

from __future__ import annotations

import io
import mmap as mmap_module
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, TypeAlias

import rushlight

from ._atomic import atomic_write
from ._engine import Storage, UntypedStorage, is_result, new_storage
from ._errors import CheckpointError
from ._legacy import load_legacy
from ._names import NameTable, StorageType
from ._pickler import Pickler
from ._source import ByteSource, file_size
from ._unpickle import Unpickler
from ._zip import StoredZip, write_archive

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
    check_location = _location_check(map_location)
    if isinstance(f, (str, os.PathLike)):
        where = repr(os.fspath(f))
        with open(f, "rb") as file:
            return _load(file, where, check_location, bool(mmap))
    if mmap:
        raise ValueError("load: f must be a path when mmap=True, got a file object")
    if not all(hasattr(f, name) for name in ("read", "readline", "seek", "tell")):
        raise TypeError(f"load: f must be a path or a seekable binary file object, got {type(f).__name__}")
    return _load(f, getattr(f, "name", None) or "the file object", check_location, False)


def _load(file: BinaryIO, where: str, check_location: Callable[[Any], None], mapped: bool) -> Any:
    start = file.tell()
    size = file_size(file)
    head = file.read(4)
    file.seek(start)
    if not isinstance(head, bytes):
        raise TypeError(f"load: {where} must be opened in binary mode")
    if head == b"PK\x03\x04":
        return _load_zip(file, size, where, check_location, mapped)
    if mapped:
        raise CheckpointError(
            f"load: {where}: mmap=True needs the zip format; load it without and save it again"
        )
    if head[:1] == b"\x80":
        return load_legacy(file, size, where, check_location)
    found = f"begins with {head!r}" if head else "is empty"
    raise CheckpointError(f"load: {where}: {found}; it is neither a zip archive nor PyTorch's legacy format")


def _load_zip(
    file: BinaryIO, size: int, where: str, check_location: Callable[[Any], None], mapped: bool
) -> Any:
    archive = StoredZip(file, size, where)
    if "constants.pkl" in archive.entries:
        archive.fail("is a TorchScript archive, which holds code; save a state_dict instead")
    if "byteorder" in archive.entries and archive.find("byteorder").size < 16:
        order = archive.read("byteorder")
        if order != b"little":
            archive.fail(
                f"has byte order {order!r}, only b'little' is read; save it again on a little-endian machine"
            )
    mapping = (
        memoryview(mmap_module.mmap(file.fileno(), 0, access=mmap_module.ACCESS_COPY)) if mapped else None
    )
    storages: dict[str, Storage] = {}

    def load_storage(pid: Any) -> tuple[Storage, StorageType]:
        if type(pid) is not tuple or len(pid) != 5 or pid[0] != "storage":
            archive.fail(f"it refers to something that is no storage: {pid!r:.80}")
        _, kind, key, location, count = pid
        if not isinstance(kind, StorageType) or type(key) is not str or type(count) is not int or count < 0:
            archive.fail(f"a storage reference is malformed: {pid!r:.80}")
        check_location(location)
        if key not in storages:
            entry = archive.find(f"data/{key}")
            # Memory that is not aligned to the largest element cannot be used in place.
            if mapping is not None and entry.offset % 8 == 0:
                part = mapping[entry.offset : entry.offset + entry.size]
                storages[key] = Storage(UntypedStorage._from_buffer(part), key)
            else:
                storages[key] = new_storage(entry.size, key)
                archive.read_into(f"data/{key}", memoryview(storages[key].memory))
        expected = count * (1 if kind.dtype is None else kind.dtype.itemsize)
        if storages[key].nbytes != expected:
            archive.fail(f"storage {key!r:.40} holds {storages[key].nbytes} bytes, expected {expected}")
        return storages[key], kind

    program = archive.read("data.pkl")
    source = ByteSource(io.BytesIO(program), len(program), where)
    return Unpickler(source, NameTable(source.fail).find, load_storage, is_result).load()


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
