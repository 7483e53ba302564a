"""PyTorch's archive: a zip file whose entries are stored plain, each starting at a multiple of 64 bytes."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple, NoReturn

from ._errors import CheckpointError
from ._source import read_into

__all__ = ["Entry", "StoredZip", "write_archive"]

_ALIGNMENT = 64  # bytes
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, ..., length of the name, length of the extra field
_ZIP64_EXTRA = 20  # bytes that zipfile adds to the local header of a large entry
_CHUNK = 1 << 24  # bytes
_ENCRYPTED = 0x1


class Entry(NamedTuple):
    offset: int  # of the first byte of data in the file
    size: int  # bytes
    crc: int


class StoredZip:
    """The entries of an archive, after checking that each lies inside the file and none overlaps another.

    Compressed entries are refused: PyTorch writes none, and a small file could claim any amount of memory.

    Args:
        file: seekable binary file object.
        size: bytes in `file`.
        where: how error messages name the file.
    """

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self._file = file
        self._size = size
        self._where = where
        try:
            with zipfile.ZipFile(file) as archive:
                infos, end = archive.infolist(), archive.start_dir
        except (
            zipfile.BadZipFile,
            struct.error,
            ValueError,
            NotImplementedError,
            EOFError,
            OverflowError,
        ) as error:
            self.fail(f"failed reading zip archive: {error}")
        self.entries = self._checked_entries(infos, end)

    def fail(self, message: str) -> NoReturn:
        raise CheckpointError(f"load: {self._where}: {message}")

    def _checked_entries(self, infos: list[zipfile.ZipInfo], end: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        folders = set()
        if not infos:
            self.fail("the archive has no entries")
        infos = sorted(infos, key=lambda info: info.header_offset)
        limits = [info.header_offset for info in infos[1:]] + [min(end, self._size)]
        for info, limit in zip(infos, limits, strict=True):
            folder, _, name = info.filename.partition("/")
            folders.add(folder)
            if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                self.fail(f"entry {info.filename!r} is compressed; a checkpoint's entries are stored plain")
            if info.flag_bits & _ENCRYPTED:
                self.fail(f"entry {info.filename!r} is encrypted")
            if name in entries:
                self.fail(f"entry {info.filename!r} appears twice")
            offset = self._data_offset(info)
            if offset + info.file_size > limit:
                self.fail(
                    f"entry {info.filename!r} of {info.file_size} bytes at {offset} reaches past byte "
                    f"{limit}, where something else begins; the file is truncated or damaged"
                )
            entries[name] = Entry(offset, info.file_size, info.CRC)
        if len(folders) > 1:
            self.fail(f"the archive has {len(folders)} top-level folders, expected one")
        return entries

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        if not 0 <= info.header_offset <= self._size - _LOCAL_HEADER.size:
            self.fail(
                f"entry {info.filename!r} begins at {info.header_offset}, outside the file of "
                f"{self._size} bytes"
            )
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size:
            self.fail(f"entry {info.filename!r} is cut off")
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        if signature != b"PK\x03\x04":
            self.fail(f"entry {info.filename!r} has no header at {info.header_offset}; the file is damaged")
        return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)

    def find(self, name: str) -> Entry:
        """Returns the entry called `name` inside the archive's folder."""
        if name not in self.entries:
            self.fail(f"entry {name!r} is missing")
        return self.entries[name]

    def read(self, name: str) -> bytes:
        """Returns an entry's bytes."""
        data = bytearray(self.find(name).size)
        self.read_into(name, memoryview(data))
        return bytes(data)

    def read_into(self, name: str, target: memoryview) -> None:
        """Fills `target`, which has the entry's size, and checks the checksum."""
        entry = self.find(name)
        self._file.seek(entry.offset)
        crc = count = 0
        while count < entry.size:
            part = target[count : count + _CHUNK]
            step = read_into(self._file, part)
            if step <= 0:
                self.fail(f"entry {name!r} is cut off at byte {count} of {entry.size}")
            crc = zlib.crc32(part[:step], crc)
            count += step
        # PyTorch can be told to leave checksums out; it then writes 0.
        if entry.crc not in (crc, 0):
            self.fail(f"entry {name!r} has checksum {crc:08x}, expected {entry.crc:08x}; the file is damaged")


def write_archive(file: BinaryIO, entries: Iterable[tuple[str, memoryview]]) -> None:
    """Writes `entries` (name and bytes) as an archive that PyTorch reads.

    The bytes written depend on nothing but the arguments.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(f"archive/{name}", (1980, 1, 1, 0, 0, 0))
            info.file_size = data.nbytes
            large = data.nbytes >= 1 << 31
            header = _LOCAL_HEADER.size + len(info.filename.encode()) + 4 + (_ZIP64_EXTRA if large else 0)
            padding = -(archive.start_dir + header) % _ALIGNMENT
            info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            with archive.open(info, "w", force_zip64=large) as target:
                for begin in range(0, data.nbytes, _CHUNK):
                    target.write(data[begin : begin + _CHUNK])
