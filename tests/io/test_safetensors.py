from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rushlight
from tests.io.checkpoints import DTYPES

safetensors = pytest.importorskip("safetensors")
from rushlight.io import safetensors as ours  # noqa: E402


def test_round_trip(tmp_path: Path) -> None:
    base = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensors = {name: rushlight.tensor([[0, 1, 3]]).to(getattr(rushlight, name)) for name in DTYPES}
    tensors |= {"transposed": base.t(), "scalar": rushlight.tensor(2.5), "empty": rushlight.tensor([[], []])}
    tensors["parameter"] = rushlight.nn.Parameter(rushlight.tensor([1.0, 1.0]))
    ours.save_file(tensors, tmp_path / "a.safetensors", {"by": "us"})
    loaded = ours.load_file(tmp_path / "a.safetensors")
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        assert loaded[name].tolist() == tensor.tolist()
        assert loaded[name].is_contiguous()


@pytest.mark.parity
def test_exchange_with_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("safetensors.torch")
    tensors = {name: torch.tensor([[0, 1, 3]]).to(getattr(torch, name)) for name in DTYPES}
    theirs.save_file(tensors, tmp_path / "a.safetensors")
    loaded = ours.load_file(tmp_path / "a.safetensors")
    ours.save_file(loaded, tmp_path / "b.safetensors")
    back = theirs.load_file(tmp_path / "b.safetensors")
    for name, tensor in tensors.items():
        assert loaded[name].tolist() == tensor.tolist()
        assert torch.equal(back[name], tensor)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = rushlight.tensor([1.0] * 3)
    with pytest.raises(RuntimeError, match=r"save_file: 'a' and 'b' share memory"):
        ours.save_file({"a": tensor, "b": tensor}, tmp_path / "x")
    with pytest.raises(TypeError, match=r"'a' must be a Tensor, got int"):
        ours.save_file({"a": 3}, tmp_path / "x")  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"device must be 'cpu', the only device, got 'cuda'"):
        ours.load_file(tmp_path / "x", "cuda")
    (tmp_path / "x").write_bytes(b"\xff" * 100)
    with pytest.raises(RuntimeError, match=r"load_file: .*header too large"):
        ours.load_file(tmp_path / "x")
    header = b'{"a":{"dtype":"U16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + b"ab")
    with pytest.raises(RuntimeError, match=r"tensor 'a' has dtype U16, supported are F64"):
        ours.load_file(tmp_path / "x")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install rushlight\[safetensors\]"):
        ours.load_file(tmp_path / "x")
