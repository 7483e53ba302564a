"""Reads a checkpoint file of either format."""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable
from typing import Any, BinaryIO

from ._engine import Storage, UntypedStorage, is_result, new_storage
from ._errors import CheckpointError
from ._legacy import load_legacy
from ._names import NameTable, StorageType
from ._source import ByteSource, file_size
from ._unpickle import Unpickler
from ._zip import StoredZip

__all__ = ["read_checkpoint"]


def read_checkpoint(file: BinaryIO, where: str, check_location: Callable[[Any], None], mapped: bool) -> Any:
    """Returns the object in `file`, which begins at the file's position.

    Args:
        file: seekable binary file object.
        where: how error messages name the file.
        check_location: raises if a storage of that location must not be loaded.
        mapped: map the file's storages into memory instead of reading them.
    """
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
    mapping = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)) if mapped else None
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
