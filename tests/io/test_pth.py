"""Round trips through our own writer and reader; files of PyTorch's are in test_pth_parity.py."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import pytest

import rushlight
from rushlight.io import CheckpointError
from tests.io.checkpoints import archive, assert_same, program, sample, storage, tensor


def test_everything_comes_back(tmp_path: Path) -> None:
    expected = sample(rushlight)
    path = tmp_path / "all.pth"
    rushlight.save(expected, path)
    assert_same(rushlight.load(path), expected)
    assert_same(rushlight.load(str(path), mmap=True), expected)
    with open(path, "rb") as file:
        assert_same(rushlight.load(file), expected)
    buffer = io.BytesIO()
    rushlight.save(expected, buffer)
    assert buffer.getvalue() == path.read_bytes()  # the bytes depend on the object only


@pytest.mark.parametrize("mapped", [False, True])
def test_shared_memory_stays_shared(tmp_path: Path, mapped: bool) -> None:
    base = rushlight.tensor([[0.0] * 4] * 3)
    parameter = rushlight.nn.Parameter(base)
    rushlight.save({"base": base, "row": base[1], "same": base, "tied": parameter}, tmp_path / "tied.pth")
    loaded = rushlight.load(tmp_path / "tied.pth", mmap=mapped)
    loaded["row"].copy_(rushlight.tensor(7.0))
    assert loaded["base"].tolist() == [[0] * 4, [7] * 4, [0] * 4]
    assert loaded["same"] is loaded["base"]
    assert loaded["tied"].tolist() == loaded["base"].tolist()
    assert rushlight.load(tmp_path / "tied.pth")["base"].sum().item() == 0  # the file itself is untouched


def test_loaded_tensors_are_ordinary_leaves() -> None:
    buffer = io.BytesIO()
    rushlight.save(
        [rushlight.nn.Parameter(rushlight.tensor([1.0, 1.0, 1.0])), rushlight.tensor([1.0, 1.0, 1.0])], buffer
    )
    buffer.seek(0)
    parameter, plain = rushlight.load(buffer)
    assert isinstance(parameter, rushlight.nn.Parameter)
    assert parameter.is_leaf
    assert parameter.requires_grad
    (parameter * plain).sum().backward()
    assert parameter.grad.tolist() == [1, 1, 1]
    plain.copy_(plain + plain)
    assert plain.tolist() == [2, 2, 2]


def test_entries_are_aligned_and_deterministic(tmp_path: Path) -> None:
    rushlight.save(
        [rushlight.tensor([1] * n, dtype=rushlight.uint8) for n in (1, 63, 64, 65, 1000)], tmp_path / "a.pth"
    )
    data = (tmp_path / "a.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pth") as file:
        assert file.testzip() is None
        for info in file.infolist():
            header = data[info.header_offset : info.header_offset + 30]
            start = (
                info.header_offset
                + 30
                + int.from_bytes(header[26:28], "little")
                + int.from_bytes(header[28:30], "little")
            )
            assert start % 64 == 0
            assert info.compress_type == zipfile.ZIP_STORED


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    rushlight.save([1], path)
    os.chmod(path, 0o640)
    with pytest.raises(TypeError, match=r"save: \['a'\]\[1\]: a builtins.object cannot be saved"):
        rushlight.save({"a": [1, object()]}, path)

    class Broken(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError("disk full")

    with pytest.raises(OSError, match=r"disk full"):
        rushlight.save([1], Broken())
    assert rushlight.load(path) == [1]
    rushlight.save([2], path)
    assert rushlight.load(path) == [2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["model.pth"]


def test_save_follows_links_and_writes_to_devices(tmp_path: Path) -> None:
    (tmp_path / "link.pth").symlink_to(tmp_path / "real.pth")
    rushlight.save([1], tmp_path / "link.pth")
    assert (tmp_path / "link.pth").is_symlink()
    assert rushlight.load(tmp_path / "real.pth") == [1]
    rushlight.save([1], "/dev/null")
    with pytest.raises(RuntimeError, match=r"Parent directory .*missing does not exist"):
        rushlight.save([1], tmp_path / "missing" / "a.pth")


def recursive_tuple() -> tuple[list[object]]:
    inner: list[object] = []
    outer = (inner,)
    inner.append(outer)
    return outer


def deep_list() -> list[object]:
    value: list[object] = []
    for _ in range(5000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lambda: 0, TypeError, "function cannot be saved"),
        (lambda: io.BytesIO(), TypeError, r"for a module, save its state_dict\(\)"),
        (lambda: {"a": defaultdict(list)}, TypeError, r"\['a'\]: a collections.defaultdict"),
        (lambda: frozenset([1]), TypeError, "frozenset cannot be saved"),
        (lambda: 1 << 5000, TypeError, "an integer of 626 bytes cannot be saved, at most 255"),
        (recursive_tuple, TypeError, "a tuple that contains itself"),
        (deep_list, ValueError, "nested more than 200 deep"),
        (lambda: __import__("numpy").float64(1), TypeError, r"numpy.float64 cannot be saved.*its .item\(\)"),
    ],
)
def test_save_refuses(make: object, error: type[Exception], message: str) -> None:
    buffer = io.BytesIO()
    with pytest.raises(error, match=message):
        rushlight.save(make(), buffer)  # type: ignore[operator]
    assert not buffer.getvalue()


def test_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rushlight.load(tmp_path / "missing.pth")
    with pytest.raises(TypeError, match=r"f must be a path or a seekable binary file object, got int"):
        rushlight.load(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"f must be a path or a writable binary file object, got int"):
        rushlight.save([], 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be opened in binary mode"):
        rushlight.load(io.StringIO("PK"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"pickle_module must be None"):
        rushlight.load(io.BytesIO(), pickle_module=os)
    with pytest.raises(ValueError, match=r"pickle_module must be None and pickle_protocol 2, got None and 4"):
        rushlight.save([], io.BytesIO(), pickle_protocol=4)
    with pytest.raises(ValueError, match=r"f must be a path when mmap=True"):
        rushlight.load(io.BytesIO(), mmap=True)
    with pytest.raises(ValueError, match=r"map_location must be 'cpu', the only device, got 'cuda:0'"):
        rushlight.load(io.BytesIO(), map_location="cuda:0")
    with pytest.raises(
        TypeError, match=r"map_location must be None, a string, a device, a dict or a function, got int"
    ):
        rushlight.load(io.BytesIO(), map_location=3)  # type: ignore[arg-type]


def test_storages_of_other_devices_need_map_location() -> None:
    def from_gpu() -> io.BytesIO:
        return archive(program(tensor((4,), (1,), source=storage(4, location="cuda:0"))), {"0": bytes(16)})

    with pytest.raises(CheckpointError, match=r"on device 'cuda:0'.*map_location='cpu'"):
        rushlight.load(from_gpu())
    with pytest.raises(CheckpointError, match=r"on device 'cuda:1'"):
        rushlight.load(from_gpu(), map_location={"cuda:0": "cuda:1"})
    with pytest.raises(CheckpointError, match=r"on device 'cuda:0'"):
        rushlight.load(from_gpu(), map_location=lambda storage, location: None)
    places = ("cpu", rushlight.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage)
    for place in places:
        assert rushlight.load(from_gpu(), place).tolist() == [0, 0, 0, 0]


def test_ordered_dict_attributes_come_back() -> None:
    state = OrderedDict(a=1)
    state._metadata = {"version": 2}  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    rushlight.save(state, buffer)
    buffer.seek(0)
    assert rushlight.load(buffer)._metadata == {"version": 2}


def test_what_the_engine_stores_channels_last_is_saved_plain() -> None:
    images = rushlight.arange(2 * 3 * 5 * 4, dtype=rushlight.float32).reshape(2, 3, 5, 4)
    result = rushlight.nn.functional.conv2d(images, images[:, :, :3, :3])
    assert result._is_channels_last()
    expected = result.clone().numpy().tolist()
    buffer = io.BytesIO()
    rushlight.save(result, buffer)
    buffer.seek(0)
    loaded = rushlight.load(buffer)
    assert loaded.stride() == result.stride()
    assert loaded.tolist() == expected
