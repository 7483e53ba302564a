"""PyTorch's format before 1.6: pickles of magic number, version, system, object, keys; then the storages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from ._engine import Storage, UntypedStorage, is_result, new_storage
from ._names import NameTable, StorageType
from ._source import ByteSource
from ._unpickle import Unpickler

__all__ = ["load_legacy"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


class _Storages:
    """Hands out memory for the storages that the object's pickle names, to be filled afterwards."""

    def __init__(self, source: ByteSource, check_location: Callable[[Any], None]) -> None:
        self._source = source
        self._check_location = check_location
        self._claimed = 0
        self.by_key: dict[str, tuple[Storage, int]] = {}  # with bytes per element
        self._views: dict[tuple[str, str], tuple[Storage, int, int]] = {}

    def load(self, pid: Any) -> tuple[Storage, StorageType]:
        fail = self._source.fail
        if type(pid) is not tuple or len(pid) != 6 or pid[0] != "storage":
            what = (
                "the source of a module, which is code"
                if type(pid) is tuple and pid[:1] == ("module",)
                else "no storage"
            )
            fail(f"it refers to {what}: {pid!r:.80}")
        _, kind, key, location, count, view = pid
        if not isinstance(kind, StorageType) or type(key) is not str:
            fail(f"a storage reference is malformed: {pid!r:.80}")
        if type(count) is not int or count < 0:
            fail(f"storage {key!r:.40} has {count!r:.40} elements")
        self._check_location(location)
        itemsize = 1 if kind.dtype is None else kind.dtype.itemsize
        nbytes = count * itemsize
        if key not in self.by_key:
            self._claimed += nbytes
            if self._claimed > self._source.remaining:
                fail(
                    f"truncated: storages of {self._claimed} bytes are named, {self._source.remaining} "
                    f"bytes are left"
                )
            self.by_key[key] = (new_storage(nbytes, key), itemsize)
        storage, known_itemsize = self.by_key[key]
        if storage.nbytes != nbytes or known_itemsize != itemsize:
            fail(f"storage {key!r:.40} is named with {storage.nbytes} and with {nbytes} bytes")
        return (storage if view is None else self._view(storage, itemsize, view)), kind

    def _view(self, storage: Storage, itemsize: int, view: Any) -> Storage:
        if type(view) is not tuple or len(view) != 3 or type(view[0]) is not str:
            self._source.fail(f"a view of storage {storage.key!r:.40} is malformed: {view!r:.80}")
        key, offset, count = view
        if type(offset) is not int or type(count) is not int or offset < 0 or count < 0:
            self._source.fail(f"a view of storage {storage.key!r:.40} is malformed: {view!r:.80}")
        begin, end = offset * itemsize, (offset + count) * itemsize
        if end > storage.nbytes:
            self._source.fail(f"a view of storage {storage.key!r:.40} ends at byte {end} of {storage.nbytes}")
        found = self._views.setdefault(
            (storage.key, key),
            (Storage(UntypedStorage._from_buffer(memoryview(storage.memory)[begin:end]), key), offset, count),
        )
        if found[1:] != (offset, count):
            self._source.fail(f"the view {key!r:.40} of storage {storage.key!r:.40} is described in two ways")
        return found[0]

    def fill(self, keys: Any) -> None:
        """Reads the storages' bytes, which follow in the order of `keys`."""
        if type(keys) is not list or not all(type(key) is str for key in keys):
            self._source.fail("the list of storages is malformed")
        if len(keys) != len(self.by_key) or set(keys) != set(self.by_key):
            self._source.fail(
                f"{len(keys)} storages are listed, but the object uses {len(self.by_key)} (or others)"
            )
        for key in keys:
            storage, itemsize = self.by_key[key]
            count = int.from_bytes(self._source.take(8, "the length of a storage"), "little", signed=True)
            if count * itemsize != storage.nbytes:
                self._source.fail(
                    f"storage {key!r:.40} holds {count} elements, expected {storage.nbytes // itemsize}"
                )
            self._source.take_into(memoryview(storage.memory), f"storage {key!r:.40}")


def load_legacy(file: BinaryIO, size: int, where: str, check_location: Callable[[Any], None]) -> Any:
    """Reads one object from `file`'s position and leaves the position behind it.

    Args:
        file: seekable binary file object.
        size: bytes in `file`.
        where: how error messages name the file.
        check_location: raises if a storage of that location must not be loaded.
    """
    source = ByteSource(file, size, where)
    storages = _Storages(source, check_location)
    table = NameTable(source.fail)

    def no_storage(pid: Any) -> Any:
        source.fail(f"a storage in the head of the file: {pid!r:.80}")

    def plain() -> Any:
        return Unpickler(source, table.find, no_storage, is_result).load()

    number = plain()
    if number != _MAGIC:
        source.fail(
            f"begins with {number!r:.40}, expected PyTorch's magic number; a plain pickle is not a checkpoint"
        )
    version = plain()
    if version != _VERSION:
        source.fail(f"has protocol version {version!r:.40}, expected {_VERSION}")
    system = plain()
    if type(system) is not dict or system.get("little_endian") is not True:
        source.fail("was written on a big-endian machine, which is not read")
    result = Unpickler(source, table.find, storages.load, is_result).load()
    storages.fill(plain())
    return result
