"""Memory shared with NumPy, buffers and DLPack."""

from __future__ import annotations

import array
import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

import rushlight

NUMPY_DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_numpy_both_ways_share_memory(name: str) -> None:
    source = np.array([[0, 1, 2], [3, 4, 5]]).astype(name)
    tensor = rushlight.from_numpy(source)
    assert tensor.dtype == getattr(rushlight, name)
    assert tensor.tolist() == source.tolist()
    back = tensor.numpy()
    assert back.dtype == source.dtype
    back[0, 0] = 1
    assert tensor.tolist() == source.tolist()
    assert source[0, 0] == 1


def test_strides_survive() -> None:
    source = np.arange(24).reshape(2, 3, 4)
    for view in (
        source.transpose(2, 0, 1),
        source[:, ::2],
        source[1],
        source[:, :, 0],
        np.asfortranarray(source),
    ):
        tensor = rushlight.from_numpy(view)
        assert tensor.tolist() == view.tolist()
        assert tensor.numpy().strides == view.strides
    assert rushlight.from_numpy(np.zeros((0, 3))).shape == (0, 3)
    assert rushlight.from_numpy(np.array(2.5)).item() == 2.5
    assert rushlight.tensor([1, 2, 3]).view(3, 1).expand(3, 4).numpy().strides == (8, 0)


def test_from_numpy_refuses() -> None:
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        rushlight.from_numpy([1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"negative.*array.copy\(\)"):
        rushlight.from_numpy(np.arange(4)[::-1])
    records = np.zeros(3, dtype=[("a", "i1"), ("b", "<i4")])
    with pytest.raises(ValueError, match="strides not a multiple of the element byte size"):
        rushlight.from_numpy(records["b"])
    with pytest.raises(TypeError, match=r"can't convert np.ndarray of type numpy.uint16"):
        rushlight.from_numpy(np.zeros(3, dtype=np.uint16))


def test_numpy_of_tensors_that_cannot() -> None:
    tensor = rushlight.tensor([1.0], requires_grad=True)
    message = r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\).numpy\(\) instead."
    for call in (tensor.numpy, lambda: np.asarray(tensor), tensor.__array__):
        with pytest.raises(RuntimeError, match=message):
            call()
    assert tensor.numpy(force=True).tolist() == [1.0]
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        rushlight.tensor([1.0]).bfloat16().numpy()


def test_array_protocol() -> None:
    tensor = rushlight.tensor([[1, 2], [3, 4]])
    shared = np.asarray(tensor)
    shared[0, 0] = 9
    assert tensor.tolist() == [[9, 2], [3, 4]]
    assert np.array(tensor, dtype=np.float32).dtype == np.float32
    assert tensor.__array__(np.float64).dtype == np.float64
    assert tensor.__array__(copy=True).ctypes.data != tensor.data_ptr()
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        tensor.__array__(np.float64, copy=False)
    assert [float(x) for x in np.asarray([rushlight.tensor(1.5), rushlight.tensor(2.5)])] == [1.5, 2.5]


def test_memory_lives_as_long_as_someone_uses_it() -> None:
    class Owner(np.ndarray):
        pass

    source = np.arange(4.0).view(Owner)
    gone = weakref.ref(source)
    tensor = rushlight.from_numpy(source)
    view = tensor[1:]
    del source, tensor
    gc.collect()
    assert gone() is not None
    assert view.tolist() == [1, 2, 3]
    del view
    gc.collect()
    assert gone() is None

    values = rushlight.tensor([1.0, 2.0]).numpy()  # the tensor itself is gone
    gc.collect()
    assert values.tolist() == [1.0, 2.0]
    tensor = rushlight.tensor([1.0, 2.0])
    lent, exported = tensor.numpy(), memoryview(tensor)
    tensor.data = rushlight.tensor([3.0])
    assert lent.tolist() == list(exported) == [1.0, 2.0]


def test_read_only_arrays_warn_once() -> None:
    code = (
        "import warnings, numpy as np, rushlight\n"
        "a = np.ones(2); a.flags.writeable = False\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    rushlight.from_numpy(a); rushlight.as_tensor(a); rushlight.tensor(a)\n"
        "    rushlight.frombuffer(b'abcd', dtype=rushlight.uint8)\n"
        "print([str(w.message)[:37] for w in seen])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['The given NumPy array is not writable']"


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_buffer_protocol(name: str) -> None:
    tensor = rushlight.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(rushlight, name))
    view = memoryview(tensor)
    assert view.shape == (2, 3)
    assert np.asarray(view).tolist() == tensor.tolist()
    assert np.asarray(memoryview(tensor.t())).tolist() == tensor.t().tolist()
    assert bytes(tensor) == tensor.numpy().tobytes()
    assert memoryview(rushlight.tensor(2.5)).ndim == 0
    assert memoryview(rushlight.tensor([])).nbytes == 0


def test_buffers_that_cannot_be_lent() -> None:
    with pytest.raises(BufferError, match="requires grad has no buffer"):
        memoryview(rushlight.tensor([1.0], requires_grad=True))
    with pytest.raises(BufferError, match="bfloat16 has no buffer format"):
        memoryview(rushlight.tensor([1.0]).bfloat16())
    with pytest.raises(BufferError, match="not contiguous"):
        rushlight.frombuffer(rushlight.tensor([[1, 2], [3, 4]]).t(), dtype=rushlight.int64)


def test_frombuffer() -> None:
    data = bytearray(b"\x01\x00\x02\x00\x03\x00\x04")
    tensor = rushlight.frombuffer(data, dtype=rushlight.int16, count=3)
    tensor[0] = 7
    assert tensor.tolist() == [7, 2, 3]
    assert data[0] == 7
    assert rushlight.frombuffer(data, dtype=rushlight.int16, offset=1).tolist() == [512, 768, 1024]
    assert rushlight.frombuffer(
        array.array("f", [1.5]), dtype=rushlight.float32, requires_grad=True
    ).requires_grad
    with pytest.raises(BufferError):
        data.append(1)  # the tensors hold it


@pytest.mark.parametrize(
    ("buffer", "arguments", "message"),
    [
        (bytearray(), {}, r"both buffer length \(0\) and count \(-1\) must not be 0"),
        (bytearray(4), {"count": 0}, r"both buffer length \(4\) and count \(0\) must not be 0"),
        (
            bytearray(4),
            {"offset": 4},
            r"offset \(4 bytes\) must be non-negative and no greater than buffer length \(4",
        ),
        (bytearray(4), {"offset": -1}, r"offset \(-1 bytes\) must be non-negative"),
        (
            bytearray(5),
            {},
            r"buffer length \(5 bytes\) after offset \(0 bytes\) must be a multiple of element size \(2\)",
        ),
        (
            bytearray(4),
            {"count": 3},
            r"requested buffer length \(3 \* 2 bytes\) .* actual buffer length \(4 bytes\)",
        ),
        (bytearray(4), {"count": 2**62}, "requested buffer length"),
        (3, {}, "object does not implement Python buffer protocol: got int"),
    ],
)
def test_frombuffer_refuses(buffer: object, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rushlight.frombuffer(buffer, dtype=rushlight.int16, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_dlpack_with_numpy(name: str) -> None:
    tensor = rushlight.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(rushlight, name))
    lent = np.from_dlpack(tensor.t())
    assert lent.tolist() == tensor.t().tolist()
    assert lent.dtype == name
    source = np.arange(6).reshape(2, 3).astype(name)
    taken = rushlight.from_dlpack(source.T)
    assert taken.dtype == tensor.dtype
    assert taken.tolist() == source.T.tolist()
    assert taken.data_ptr() == source.ctypes.data
    assert rushlight.from_dlpack(source, copy=True).data_ptr() != source.ctypes.data
    assert rushlight.from_dlpack(np.zeros((0, 2), name)).shape == (0, 2)


def test_dlpack_capsules() -> None:
    tensor = rushlight.tensor([1.0, 2.0]).bfloat16()
    assert tensor.__dlpack_device__() == (1, 0)
    for arguments in ({}, {"max_version": (1, 0)}, {"dl_device": (1, 0)}, {"copy": True}):
        capsule = tensor.__dlpack__(**arguments)
        taken = rushlight.from_dlpack(capsule)
        assert taken.tolist() == [1, 2]
        assert (taken.data_ptr() == tensor.data_ptr()) == ("copy" not in arguments)
        with pytest.raises(RuntimeError, match="can be consumed only once"):
            rushlight.from_dlpack(capsule)
    del capsule
    tensor.__dlpack__()  # never taken: frees itself
    with pytest.raises(BufferError, match=r"require gradient, use tensor.detach\(\)"):
        rushlight.tensor([1.0], requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="dl_device must be the CPU"):
        tensor.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="stream must be None"):
        tensor.__dlpack__(stream=1)
    with pytest.raises(TypeError, match="expected an object with __dlpack__ or a capsule, got int"):
        rushlight.from_dlpack(3)
    with pytest.raises(RuntimeError, match="type code 5"):
        rushlight.from_dlpack(np.array([1j]))
    with pytest.raises(ValueError, match="strides must not be negative"):
        rushlight.from_dlpack(np.arange(3)[::-1])


def test_storage() -> None:
    tensor = rushlight.tensor([[1, 2], [3, 4]], dtype=rushlight.int16)
    storage = tensor[1].untyped_storage()
    assert storage is tensor.untyped_storage()
    assert (storage.nbytes(), len(storage), storage.size()) == (8, 8, 8)
    assert bytes(storage) == bytes(tensor)
    assert storage.data_ptr() == tensor.data_ptr()
    assert bytes(storage.clone()) == bytes(storage)
    with pytest.raises(RuntimeError, match="size must not be negative, got -1"):
        rushlight.UntypedStorage(-1)


@pytest.mark.parity
@pytest.mark.parametrize("name", [*NUMPY_DTYPES, "bfloat16"])
def test_dlpack_with_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours = rushlight.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(rushlight, name))
    theirs = torch.from_dlpack(ours.t())
    assert str(theirs.dtype) == str(ours.dtype)
    assert theirs.tolist() == ours.t().tolist()
    assert theirs.data_ptr() == ours.data_ptr()
    back = rushlight.from_dlpack(theirs)
    assert back.stride() == ours.t().stride()
    back[0, 1] = 0
    assert ours[1, 0].item() == 0
    del ours, theirs
    gc.collect()
    assert back[0, 1].item() == 0
