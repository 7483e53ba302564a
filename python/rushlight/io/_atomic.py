"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

__all__ = ["atomic_write", "sync_folder"]


@contextmanager
def atomic_write(path: str) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` that replaces it when the block ends without an exception.

    The new file has the permissions of the one it replaces, else those that ``open`` would give. Devices and
    pipes are written directly.

    Raises:
        RuntimeError: if the folder does not exist.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path) or folder} does not exist.")
    exists = os.path.exists(target)
    if exists and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as direct:
            yield direct
        return
    temporary = os.path.join(folder, f".{os.path.basename(target)[:200]}.{os.urandom(6).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with cast(BinaryIO, os.fdopen(descriptor, "wb")) as file:
            if exists:
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Makes a rename in `folder` survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
