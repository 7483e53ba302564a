"""Downloads from a server on this machine that can break connections, resume, redirect and lie."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import rushlight
from rushlight import hub


class Server(ThreadingHTTPServer):
    """Serves `files`; `cut` breaks the next connections after so many bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.etags = True
        self.ranges = True
        self.cut: list[int] = []
        self.log: list[tuple[str, str | None]] = []
        self.redirect: str | None = None

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/models/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None: ...

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.log.append((self.path, wanted))
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        data = server.files.get(os.path.basename(self.path.split("?")[0]))
        if data is None:
            self.send_error(404)
            return
        etag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if server.etags:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + server.cut.pop(0)] if server.cut else data[start:])


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "RUSHLIGHT_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "hub" / "checkpoints"


def checkpoint(value: object) -> bytes:
    buffer = io.BytesIO()
    rushlight.save(value, buffer)
    return buffer.getvalue()


def test_download_then_cache(server: Server, cache: Path) -> None:
    server.files["a.pth"] = checkpoint({"w": rushlight.tensor([1.0] * 3)})
    for _ in range(2):
        assert hub.load_state_dict_from_url(server.url("a.pth"), progress=False)["w"].tolist() == [1, 1, 1]
    assert server.log == [("/models/a.pth", None)]
    assert os.listdir(cache) == ["a.pth"]


def test_folders(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["a.pth"] = checkpoint(1)
    hub.load_state_dict_from_url(
        server.url("a.pth") + "?x=1", str(tmp_path / "mine"), file_name="b.pth", progress=False
    )
    assert os.listdir(tmp_path / "mine") == ["b.pth"]
    assert hub.get_dir() == str(tmp_path / "hub")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub.get_dir() == "/x/torch/hub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert hub.get_dir() == os.path.expanduser("~/.cache/torch/hub")
    monkeypatch.setattr("rushlight.io.hub._hub_dir", None)
    hub.set_dir("~/weights")
    assert hub.get_dir() == os.path.expanduser("~/weights")


def test_broken_connections_are_resumed(server: Server, cache: Path) -> None:
    server.files["a.pth"] = data = checkpoint([rushlight.tensor([0.0] * 10_000)])
    server.cut = [10_000, 1, 20_000]
    hub.load_state_dict_from_url(server.url("a.pth"), progress=False, sha256=hashlib.sha256(data).hexdigest())
    assert [wanted for _, wanted in server.log] == [None, "bytes=10000-", "bytes=10001-", "bytes=30001-"]
    assert (cache / "a.pth").read_bytes() == data
    assert os.listdir(cache) == ["a.pth"]


def test_a_later_call_resumes(server: Server, cache: Path) -> None:
    server.files["a.pth"] = data = checkpoint([rushlight.tensor([0.0] * 10_000)])
    server.cut = [10_000, 0]
    with pytest.raises(RuntimeError, match=r"could not download http.*the connection broke after 10000 of"):
        hub.load_state_dict_from_url(server.url("a.pth"), progress=False)
    assert not (cache / "a.pth").exists()
    hub.load_state_dict_from_url(server.url("a.pth"), progress=False)
    assert server.log[-1][1] == "bytes=10000-"
    assert (cache / "a.pth").read_bytes() == data


@pytest.mark.parametrize("change", ["file", "ranges", "etags"])
def test_what_cannot_be_resumed_starts_over(server: Server, cache: Path, change: str) -> None:
    server.files["a.pth"] = checkpoint([rushlight.tensor([0.0] * 10_000)])
    server.etags = change != "etags"
    server.cut = [10_000, 0]
    with pytest.raises(RuntimeError, match=r"could not download"):
        hub.load_state_dict_from_url(server.url("a.pth"), progress=False)
    server.ranges = change != "ranges"
    if change == "file":
        server.files["a.pth"] = checkpoint([rushlight.tensor([1.0] * 10_000)])
    assert hub.load_state_dict_from_url(server.url("a.pth"), progress=False)[0][0].item() == (
        change == "file"
    )


def test_a_partial_file_that_is_complete_or_too_long(server: Server, cache: Path) -> None:
    url = server.url("a.pth")
    server.files["a.pth"] = data = checkpoint([1])
    cache.mkdir(parents=True)
    partial = cache / f"a.pth.{hashlib.sha256(url.encode()).hexdigest()[:8]}.partial"
    partial.write_bytes(data + b"more")
    Path(f"{partial}.etag").write_text(f'"{hashlib.sha256(data).hexdigest()[:8]}"')
    assert hub.load_state_dict_from_url(url, progress=False) == [1]
    assert os.listdir(cache) == ["a.pth"]


def test_hashes(server: Server, cache: Path) -> None:
    data = checkpoint([1])
    full = hashlib.sha256(data).hexdigest()
    good, bad = f"net-{full[:8]}.pth", "net-00000000.pth"
    server.files.update({good: data, bad: data, "plain.pth": data})
    assert hub.load_state_dict_from_url(server.url(good), check_hash=True, progress=False) == [1]
    assert hub.load_state_dict_from_url(server.url("plain.pth"), check_hash=True, progress=False) == [1]
    with pytest.raises(RuntimeError, match=rf'invalid hash value \(expected "00000000", got "{full}"\)'):
        hub.load_state_dict_from_url(server.url(bad), check_hash=True, progress=False)
    assert sorted(os.listdir(cache)) == sorted([good, "plain.pth"])
    with pytest.raises(RuntimeError, match=f"plain.pth has SHA-256 {full}, expected {'1' * 64}; delete it"):
        hub.load_state_dict_from_url(server.url("plain.pth"), sha256="1" * 64)
    assert hub.load_state_dict_from_url(server.url(bad), progress=False) == [
        1
    ]  # as PyTorch: not checked unless asked


def test_failures_say_how_to_carry_the_file(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url("net-12345678.pth")
    place = rf"put the file at {cache}/net-12345678.pth \(SHA-256 12345678\.\.\.\)"
    with pytest.raises(RuntimeError, match=f"could not download {url}: HTTP Error 404: Not Found.*{place}"):
        hub.load_state_dict_from_url(url, check_hash=True, progress=False)
    with pytest.raises(
        RuntimeError, match=r"could not download http://127.0.0.1:1/a.pth: .*\(SHA-256 not known\)"
    ):
        hub.load_state_dict_from_url("http://127.0.0.1:1/a.pth", progress=False)
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    with pytest.raises(RuntimeError, match=f"could not download {url}: RUSHLIGHT_OFFLINE is set.*{place}"):
        hub.load_state_dict_from_url(url, check_hash=True, progress=False)
    assert os.listdir(cache) == []


def test_only_safe_addresses(server: Server, tmp_path: Path) -> None:
    for url in ("http://example.org/a.pth", "ftp://example.org/a.pth", "file:///etc/passwd"):
        with pytest.raises(ValueError, match=r"address must begin with https://"):
            hub.load_state_dict_from_url(url, str(tmp_path))
    server.redirect = "http://example.org/a.pth"
    with pytest.raises(
        RuntimeError, match=r"address must begin with https://, got 'http://example.org/a.pth'"
    ):
        hub.load_state_dict_from_url(server.url("a.pth"), progress=False)
    with pytest.raises(ValueError, match=r"file_name must be a plain file name, got '../a.pth'"):
        hub.load_state_dict_from_url(server.url("a.pth"), file_name="../a.pth")


def test_threads_share_one_download(server: Server, cache: Path) -> None:
    server.files["a.pth"] = checkpoint([3])
    results: list[object] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(hub.load_state_dict_from_url(server.url("a.pth"), progress=False))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[3]] * 8
    assert os.listdir(cache) == ["a.pth"]


def test_progress_without_tqdm(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    server.files["a.pth"] = checkpoint([3])
    hub.load_state_dict_from_url(server.url("a.pth"))
    printed = capsys.readouterr().err
    assert printed.startswith(f'Downloading: "{server.url("a.pth")}" to ')
    assert printed.endswith("\r100%\n")
