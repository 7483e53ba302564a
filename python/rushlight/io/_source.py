"""Bounded reading: every length a file claims is checked against the file before memory is taken."""

from __future__ import annotations

from typing import BinaryIO, NoReturn

from ._errors import CheckpointError

__all__ = ["ByteSource", "file_size", "read_into"]

_MAX_LINE = 4096  # bytes; module and class names are far shorter
_CHUNK = 1 << 24  # bytes


def file_size(file: BinaryIO) -> int:
    """Returns the number of bytes in a seekable file object, leaving its position alone."""
    position = file.tell()
    end = file.seek(0, 2)
    file.seek(position)
    return end


def read_into(file: BinaryIO, target: memoryview) -> int:
    """Reads up to `target`'s size into it and returns the number of bytes; copies only if the file must."""
    if hasattr(file, "readinto"):
        return int(file.readinto(target))
    data = file.read(target.nbytes)
    target[: len(data)] = data
    return len(data)


class ByteSource:
    """Reads `file` from its current position up to `end` and never past it.

    Args:
        file: a seekable binary file object.
        end: position of the first byte that does not belong to the source.
        where: how error messages name the file.
    """

    def __init__(self, file: BinaryIO, end: int, where: str) -> None:
        self._file = file
        self._start = self._position = file.tell()
        self._end = end
        self.where = where

    @property
    def remaining(self) -> int:
        return self._end - self._position

    @property
    def consumed(self) -> int:
        return self._position - self._start

    def fail(self, message: str) -> NoReturn:
        raise CheckpointError(f"load: {self.where}: {message}")

    def take(self, count: int, what: str = "data") -> bytes:
        """Returns exactly `count` bytes."""
        if count > self.remaining:
            self.fail(f"truncated: {what} needs {count} bytes, the file has {self.remaining} left")
        data = self._file.read(count)
        if len(data) != count:
            self.fail(f"truncated: {what} needs {count} bytes, read {len(data)}")
        self._position += count
        return data

    def take_into(self, target: memoryview, what: str) -> None:
        """Fills `target` (bytes) in place."""
        if target.nbytes > self.remaining:
            self.fail(f"truncated: {what} needs {target.nbytes} bytes, the file has {self.remaining} left")
        count = 0
        while count < target.nbytes:
            step = read_into(self._file, target[count : count + _CHUNK])
            if step <= 0:
                self.fail(f"truncated: {what} needs {target.nbytes} bytes, read {count}")
            count += step
        self._position += count

    def take_line(self) -> bytes:
        """Returns the bytes up to the next newline, without it."""
        line = self._file.readline(min(_MAX_LINE, max(self.remaining, 0)))
        if not line.endswith(b"\n"):
            self.fail(f"a name is cut off or longer than {_MAX_LINE} bytes")
        self._position += len(line)
        return line[:-1]
