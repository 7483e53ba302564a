"""Downloads of weights: cached where PyTorch caches, resumed, checked, safe between processes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn
from urllib.parse import urlsplit

from ._atomic import sync_folder
from .pth import MapLocation, load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

_HASH_IN_NAME = re.compile(r"-([a-f0-9]*)\.")  # PyTorch's convention: resnet18-f37072fd.pth
_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without any data
_ATTEMPTS = 5
_RANGE_NOT_SATISFIABLE = 416  # the partial file has grown too long
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_hub_dir: str | None = None


def get_dir() -> str:
    """Returns the folder that downloads are kept in: the one given to ``set_dir``, else ``$TORCH_HOME/hub``,
    else ``$XDG_CACHE_HOME/torch/hub``, else ``~/.cache/torch/hub`` (PyTorch's own rule, so that files are
    found again)."""
    if _hub_dir is not None:
        return _hub_dir
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Sets the folder that downloads are kept in for this process."""
    global _hub_dir
    _hub_dir = os.path.expanduser(os.fspath(d))


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: MapLocation | None = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
    *,
    sha256: str | None = None,
) -> Any:
    """Loads a checkpoint from the cache, downloading it first if it is not there.

    Args:
        url: ``https://`` address (``http://`` only on this machine).
        model_dir: folder of the file; by default ``checkpoints`` in :func:`get_dir`, PyTorch's own cache.
        map_location: see ``rushlight.load``.
        progress: show a progress bar on stderr.
        check_hash: check the file against the digits of its SHA-256 in its name, as in
            ``resnet18-f37072fd.pth``.
        file_name: name of the file; by default the last part of `url`.
        weights_only: accepted as in PyTorch; reading is always restricted.
        sha256: the file's full SHA-256 if it is known; checked always, also for a cached file.

    Raises:
        RuntimeError: if the file cannot be fetched or is not the expected one. The text holds the address,
            the path and the hash, so that the file can be carried by hand. ``RUSHLIGHT_OFFLINE=1`` forbids
            downloads.
        CheckpointError: if the file is no checkpoint.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.fspath(model_dir)
    name = file_name or os.path.basename(urlsplit(url).path)
    if not name or name != os.path.basename(name):
        raise ValueError(
            f"load_state_dict_from_url: file_name must be a plain file name, got {name!r} for {url!r}"
        )
    path = os.path.join(folder, name)
    expected = sha256
    if check_hash and expected is None:
        match = _HASH_IN_NAME.search(name)
        expected = match.group(1) if match else None
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        download_url_to_file(url, path, expected, progress)
    elif expected:
        actual = _sha256(path)
        if not actual.startswith(expected):
            raise RuntimeError(
                f"load_state_dict_from_url: {path} has SHA-256 {actual}, expected {expected}; delete it "
                f"to fetch it again from {url}"
            )
    return load(path, map_location, weights_only=weights_only)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Downloads `url` to the path `dst`, which appears complete and checked or not at all.

    A download that was cut off goes on where it stopped. Of several processes one fetches and the others
    wait for it.

    Args:
        url: ``https://`` address (``http://`` only on this machine).
        dst: path of the file; its folder must exist.
        hash_prefix: the first digits (or all 64) of the file's SHA-256, in lower case.
        progress: show a progress bar on stderr.

    Raises:
        RuntimeError: if the file cannot be fetched or has another hash.
    """
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
        actual = _sha256(partial)
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


def _sha256(path: str) -> str:
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
