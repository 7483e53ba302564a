"""Fetching one file: https, resumed, checked, by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn
from urllib.parse import urlsplit

from ._atomic import sync_folder

__all__ = ["fetch_file", "sha256_of"]

_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without any data
_ATTEMPTS = 5
_RANGE_NOT_SATISFIABLE = 416  # the partial file has grown too long
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def fetch_file(url: str, dst: str, hash_prefix: str | None, progress: bool) -> None:
    """Does the work of ``hub.download_url_to_file``."""
    _check_address(url)
    if os.environ.get("RUSHLIGHT_OFFLINE", "0") not in ("", "0"):
        _give_up(url, dst, hash_prefix, "RUSHLIGHT_OFFLINE is set")
    partial = f"{dst}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.partial"
    with _locked(partial, dst) as file:
        if file is None:
            return
        if progress:
            print(f'Downloading: "{url}" to {dst}', file=sys.stderr)
        try:
            _fetch(url, file, partial + ".etag", progress)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if os.fstat(file.fileno()).st_size == 0:
                _forget(partial)
            _give_up(url, dst, hash_prefix, str(error) or type(error).__name__, error)
        os.fsync(file.fileno())
        actual = sha256_of(partial)
        if hash_prefix and not actual.startswith(hash_prefix):
            _forget(partial)
            raise RuntimeError(
                f'invalid hash value (expected "{hash_prefix}", got "{actual}") for {url}; nothing was kept. '
                f"If that address now answers with another file, put the expected one at "
                f"{os.path.abspath(dst)}"
            )
        os.replace(partial, dst)
        _forget(partial)
    sync_folder(os.path.dirname(os.path.abspath(dst)))


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"download: address must begin with https://, got {url!r}")


def _give_up(
    url: str, dst: str, hash_prefix: str | None, reason: str, cause: BaseException | None = None
) -> NoReturn:
    expected = (
        f"SHA-256 {hash_prefix}{'...' if len(hash_prefix) < 64 else ''}"
        if hash_prefix
        else "SHA-256 not known"
    )
    raise RuntimeError(
        f"could not download {url}: {reason}. To carry the file by hand, fetch that address elsewhere and "
        f"put the file at {os.path.abspath(dst)} ({expected})"
    ) from cause


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _forget(partial: str) -> None:
    for path in (partial, partial + ".etag"):
        if os.path.exists(path):
            os.unlink(path)


@contextmanager
def _locked(partial: str, dst: str) -> Iterator[BinaryIO | None]:
    """Opens the partial file for this process alone; yields None if the process waited for has completed it.

    The lock is on the partial file itself, so that nothing is left behind when it gets its final name.
    """
    while True:
        with open(partial, "ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.exists(partial) and os.path.samestat(os.fstat(file.fileno()), os.stat(partial)):
                yield file
                return
        if os.path.exists(dst):
            yield None
            return


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to an address that anyone on the way could change."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, file: BinaryIO, validator_path: str, progress: bool) -> None:
    """Completes `file`; goes on after a broken connection as long as some data arrives each time."""
    for _ in range(_ATTEMPTS):
        before = file.seek(0, os.SEEK_END)
        try:
            _fetch_once(url, file, validator_path, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code != _RANGE_NOT_SATISFIABLE:
                raise
            file.truncate(0)
        except (OSError, http.client.HTTPException):
            if file.seek(0, os.SEEK_END) <= before:
                raise
    raise OSError(f"the connection broke {_ATTEMPTS} times, {file.tell()} bytes are kept to go on from")


def _fetch_once(url: str, file: BinaryIO, validator_path: str, progress: bool) -> None:
    start = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "rushlight", "Accept-Encoding": "identity"}
    if start and os.path.exists(validator_path):
        with open(validator_path, encoding="latin-1") as known:
            headers.update({"Range": f"bytes={start}-", "If-Range": known.read()})
    opener = urllib.request.build_opener(_CheckedRedirects)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {start}-"
        )
        if not resumed:
            if response.status != 200:
                raise OSError(f"the server answered {response.status} {response.reason}")
            start = 0
            file.truncate(0)
        _remember_validator(response.headers, validator_path)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        received = start
        with contextlib.closing(_progress_bar(start, total, progress)) as bar:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
        file.flush()
        if total is not None and received != total:
            raise OSError(f"the connection broke after {received} of {total} bytes")


def _remember_validator(headers: Any, path: str) -> None:
    """Keeps what tells this version of the file from another, without which a download cannot be resumed."""
    etag = headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if validator:
        with open(path, "w", encoding="latin-1") as file:
            file.write(validator)
    elif os.path.exists(path):
        os.unlink(path)


class _PlainBar:
    """Progress without tqdm: one line on stderr, rewritten at each percent."""

    def __init__(self, start: int, total: int | None) -> None:
        self._done = start
        self._total = total
        self._shown = -1

    def update(self, count: int) -> None:
        self._done += count
        step = self._done * 100 // self._total if self._total else self._done >> 20
        if step != self._shown:
            self._shown = step
            sys.stderr.write(f"\r{step:3d}%" if self._total else f"\r{step} MiB")
            sys.stderr.flush()

    def close(self) -> None:
        if self._shown >= 0:
            sys.stderr.write("\n")


class _NoBar:
    def update(self, count: int) -> None: ...

    def close(self) -> None: ...


def _progress_bar(start: int, total: int | None, progress: bool) -> Any:
    if not progress:
        return _NoBar()
    try:
        from tqdm import tqdm
    except ImportError:
        return _PlainBar(start, total)
    return tqdm(total=total, initial=start, unit="B", unit_scale=True, unit_divisor=1024)
