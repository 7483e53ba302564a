"""Pickle, copy and deepcopy of tensors; conversion to other types and to Python values."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight
from tests.io.checkpoints import DTYPES


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_values_strides_and_sharing(protocol: int) -> None:
    base = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    view = base.detach().t()[1:]
    base.note = "kept"  # type: ignore[attr-defined]
    again, other = pickle.loads(pickle.dumps((base, view), protocol))
    assert again.requires_grad
    assert again.note == "kept"
    assert other.stride() == view.stride()
    assert other.tolist() == [[2.0, 4.0]]
    again.data.copy_(rushlight.tensor(0.0))
    assert other.tolist() == [[0.0, 0.0]]
    for name in DTYPES:
        tensor = rushlight.tensor([0, 1, 3]).to(getattr(rushlight, name))
        loaded = pickle.loads(pickle.dumps(tensor, protocol))
        assert loaded.dtype is tensor.dtype
        assert loaded.tolist() == tensor.tolist()
    assert pickle.loads(pickle.dumps(rushlight.tensor([[], []]))).shape == (2, 0)


def test_copy_shares_memory() -> None:
    tensor = rushlight.tensor([1.0], requires_grad=True)
    twin = copy.copy(tensor)
    assert twin is not tensor
    assert twin.data_ptr() == tensor.data_ptr()
    assert twin.requires_grad


def test_deepcopy() -> None:
    base = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (base * base).sum().backward()
    base.note = [1]  # type: ignore[attr-defined]
    plain = rushlight.tensor([1.0, 2.0])
    twin, row, plain_twin, same = copy.deepcopy([base, base.detach()[0], plain, plain])
    assert twin.grad.tolist() == [[2, 4], [6, 8]]
    assert twin.grad.data_ptr() != base.grad.data_ptr()
    assert twin.note == [1]
    assert twin.note is not base.note
    assert row.untyped_storage() is twin.untyped_storage()
    assert twin.data_ptr() != base.data_ptr()
    assert plain_twin is same
    with pytest.raises(RuntimeError, match=r"Only Tensors created explicitly by the user \(graph leaves\)"):
        copy.deepcopy(base * 2)


def test_values_that_python_knows_are_shared() -> None:
    for value in (rushlight.float32, rushlight.device("cpu"), rushlight.Size([2, 3])):
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(rushlight.float32)) is rushlight.float32


def test_to() -> None:
    tensor = rushlight.tensor([1.5, 2.5])
    assert tensor.to(rushlight.float32) is tensor
    assert tensor.to("cpu") is tensor
    assert tensor.to(rushlight.device("cpu"), rushlight.int64).tolist() == [1, 2]
    assert tensor.to(dtype=rushlight.float64, device="cpu").dtype == rushlight.float64
    assert tensor.to(rushlight.tensor([1])).dtype == rushlight.int64
    assert tensor.to(other=rushlight.tensor([1])).dtype == rushlight.int64
    assert tensor.to("cpu", copy=True) is not tensor
    assert tensor.to(rushlight.float32, False, True) is not tensor
    assert tensor.cpu() is tensor
    with pytest.raises(RuntimeError, match="CPU only: expected device 'cpu', got 'cuda:1'"):
        tensor.to("cuda:1")
    for call in (lambda: tensor.to("cpu", 3), lambda: tensor.to(rushlight.int8, dtype=rushlight.int8)):
        with pytest.raises(TypeError, match="to: "):
            call()


@pytest.mark.parametrize(
    ("method", "dtype"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("bfloat16", "bfloat16"),
        ("long", "int64"),
        ("int", "int32"),
        ("short", "int16"),
        ("char", "int8"),
        ("byte", "uint8"),
        ("bool", "bool"),
    ],
)
def test_casts(method: str, dtype: str) -> None:
    result = getattr(rushlight.tensor([0, 2]), method)()
    assert result.dtype == getattr(rushlight, dtype)
    assert rushlight.tensor([1.0]).type(result.type()).dtype == result.dtype
    assert rushlight.tensor([1.0]).type_as(result).dtype == result.dtype


def test_type_names() -> None:
    assert rushlight.tensor([1.0]).type() == "torch.FloatTensor"
    with pytest.raises(ValueError, match=r"type: expected one of torch.FloatTensor.*got 'torch.X'"):
        rushlight.tensor([1.0]).type("torch.X")


def test_python_protocols() -> None:
    tensor = rushlight.tensor([[1, 2], [3, 4]])
    assert [row.tolist() for row in tensor] == [[1, 2], [3, 4]]
    assert len(tensor) == 2
    assert f"{rushlight.tensor(1.5):.3f}" == "1.500"
    assert f"{tensor[0]}" == "tensor([1, 2])"
    with pytest.raises(TypeError, match=r"unsupported format string passed to Tensor.__format__"):
        f"{tensor:.3f}"
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(rushlight.tensor(1))
    with pytest.raises(
        RuntimeError, match="only supports Tensor or scalar, but you passed in a <class 'str'>"
    ):
        "a" in tensor  # noqa: B015
    assert rushlight.is_tensor(tensor)
    assert not rushlight.is_tensor([1])
    assert {tensor: 1}[tensor] == 1
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(tensor)
    assert [10, 20][rushlight.tensor(1)] == 20


def test_size() -> None:
    size = rushlight.tensor([[1, 2, 3]]).shape
    assert repr(size) == "torch.Size([1, 3])"
    assert size.numel() == 3
    assert size == (1, 3)
    assert isinstance(size[:1], rushlight.Size)
    assert repr(size + (2,)) == "torch.Size([1, 3, 2])"


def test_code_that_asks_for_a_gpu_gets_the_cpu() -> None:
    device = rushlight.device("cuda" if rushlight.cuda.is_available() else "cpu")
    rushlight.cuda.manual_seed_all(rushlight.cuda.device_count())
    assert rushlight.tensor([1.0], device=device).device.type == "cpu"


def test_device() -> None:
    device = rushlight.device("cuda", 1)
    assert (str(device), repr(device)) == ("cuda:1", "device(type='cuda', index=1)")
    assert rushlight.device("cpu") == rushlight.tensor(1).device
    assert rushlight.device(device) == device
    assert rushlight.device("cpu") != rushlight.device("cpu:0")
    assert len({device, rushlight.device("cuda:1")}) == 1
    for name, message in (
        ("foo", "expected one of cpu"),
        ("cpu:x", "the index must be a number, got 'cpu:x'"),
    ):
        with pytest.raises(RuntimeError, match=message):
            rushlight.device(name)
    with pytest.raises(RuntimeError, match="must not include an index"):
        rushlight.device("cuda:0", 1)
    with pytest.raises(AttributeError, match="not writable"):
        device.index = 2
