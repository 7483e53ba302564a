"""Checkpoints exchanged with PyTorch, in both directions."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import rushlight
from tests.io.checkpoints import assert_same, sample

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

FORMATS: list[dict[str, Any]] = [
    {},
    {"_use_new_zipfile_serialization": False},
    {"pickle_protocol": 3},
    {"pickle_protocol": 4},
    {"pickle_protocol": 5},
]


@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_we_read_what_pytorch_writes(options: dict[str, Any], tmp_path: Path) -> None:
    expected = sample(torch)
    torch.save(expected, tmp_path / "a.pth", **options)
    loaded = rushlight.load(tmp_path / "a.pth")
    assert_same(loaded, expected)
    loaded["views"][2].copy_(rushlight.tensor(9.0))
    assert loaded["views"][0].tolist()[1] == [9, 9, 9, 9]
    if not options:
        assert_same(rushlight.load(tmp_path / "a.pth", mmap=True), expected)


@pytest.mark.parametrize("mapped", [False, True])
def test_pytorch_reads_what_we_write(tmp_path: Path, mapped: bool) -> None:
    expected = sample(rushlight)
    rushlight.save(expected, tmp_path / "a.pth")
    loaded = torch.load(tmp_path / "a.pth", weights_only=True, mmap=mapped)
    assert_same(loaded, expected)
    loaded["views"][2].fill_(9)
    assert loaded["views"][0].tolist()[1] == [9, 9, 9, 9]


def test_training_state(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    for optimizer in (
        torch.optim.Adam(net.parameters()),
        torch.optim.SGD(net.parameters(), 0.1, momentum=0.9),
    ):
        net(torch.randn(2, 3, 8, 8)).sum().backward()
        optimizer.step()
        state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
        torch.save(state, tmp_path / "theirs.pth")
        ours = rushlight.load(tmp_path / "theirs.pth")
        assert_same(ours, state)
        rushlight.save(ours, tmp_path / "ours.pth")
        back = torch.load(tmp_path / "ours.pth", weights_only=True)
        assert_same(back, state)
        net.load_state_dict(back["net"])
        optimizer.load_state_dict(back["optimizer"])


def test_checksums_left_out(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save([torch.ones(3)], tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert rushlight.load(tmp_path / "a.pth")[0].tolist() == [1, 1, 1]


def test_attributes_of_tensors_come_back() -> None:
    for value in (torch.ones(2), torch.nn.Parameter(torch.ones(2))):
        value.note = "kept"
        buffer = io.BytesIO()
        torch.save(value, buffer)
        buffer.seek(0)
        loaded = rushlight.load(buffer)
        assert loaded.note == "kept"
        assert loaded.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.nn.Linear(1, 1), "names torch.nn.modules.linear.Linear"),
        (lambda: torch.eye(2).to_sparse(), "sparse tensors"),
        (lambda: torch.tensor(1j), "torch.ComplexFloatStorage"),
        (lambda: torch.ones(2).untyped_storage(), "Storage stands where data is expected"),
        (lambda: torch.tensor([1], dtype=torch.uint16), "names torch.uint16"),
    ],
)
@pytest.mark.parametrize("options", FORMATS[:2], ids=str)
def test_what_we_do_not_have_is_named(make: Any, message: str, options: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(make(), buffer, **options)
    buffer.seek(0)
    with pytest.raises(rushlight.io.CheckpointError, match=message):
        rushlight.load(buffer)
