"""Downloads of weights: cached where PyTorch caches, resumed, checked, safe between processes."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

from .pth import MapLocation, load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

_HASH_IN_NAME = re.compile(r"-([a-f0-9]*)\.")  # PyTorch's convention: resnet18-f37072fd.pth
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
        from ._download import sha256_of

        actual = sha256_of(path)
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
    from ._download import fetch_file  # the network modules are slow to import

    fetch_file(url, dst, hash_prefix, progress)
