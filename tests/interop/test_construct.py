"""tensor(), as_tensor() and Tensor() from Python values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight
from rushlight import float32, float64, int64


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (1, int64, 1),
        (1.5, float32, 1.5),
        (True, rushlight.bool, True),
        ([1, 2.5, True], float32, [1.0, 2.5, 1.0]),
        ([True, 2], int64, [1, 2]),
        ([], float32, []),
        ([[], []], float32, [[], []]),
        ((1, (2)), int64, [1, 2]),
        (range(3), int64, [0, 1, 2]),
        (bytearray(b"ab"), int64, [97, 98]),
        (np.float64(1.5), float64, 1.5),
        (np.int32(3), rushlight.int32, 3),
        (np.bool_(True), rushlight.bool, True),
        ([np.float64(1.0), 2], float64, [1.0, 2.0]),
        ([np.arange(2), np.arange(2)], int64, [[0, 1], [0, 1]]),
        (np.float16([[1], [2]]), rushlight.float16, [[1.0], [2.0]]),
        ([rushlight.tensor(1), 2.5], float32, [1.0, 2.5]),
        ([rushlight.tensor([7])], int64, [7]),
        (-(2**63), int64, -(2**63)),
    ],
)
def test_values_decide_the_dtype(data: object, dtype: rushlight.dtype, values: object) -> None:
    tensor = rushlight.tensor(data)
    assert tensor.dtype == dtype
    assert tensor.tolist() == values
    assert tensor.is_leaf
    assert tensor.is_contiguous()


@pytest.mark.parametrize(
    ("data", "dtype", "value"),
    [
        (1.9, rushlight.int32, 1),
        (-1.9, int64, -1),
        (-1, rushlight.uint8, 255),
        (2, rushlight.bool, True),
        (math.nan, rushlight.bool, True),
        (1e300, float32, math.inf),
        (1e5, rushlight.float16, math.inf),
        (0.1, rushlight.bfloat16, 0.10009765625),
        (2**53 + 1, float64, 2.0**53),
        (rushlight.tensor(2.7), int64, 2),
        (np.array([1.7]), int64, [1]),
    ],
)
def test_a_given_dtype_converts(data: object, dtype: rushlight.dtype, value: object) -> None:
    source = data.clone() if isinstance(data, rushlight.Tensor) else data
    if isinstance(data, rushlight.Tensor):
        source = [data]
        value = [value]
    tensor = rushlight.tensor(source, dtype=dtype)
    assert tensor.dtype == dtype
    assert tensor.tolist() == value


@pytest.mark.parametrize(
    ("data", "dtype", "error", "message"),
    [
        ([[1, 2], [3]], None, ValueError, r"expected sequence of length 2 at dim 1 \(got 1\)"),
        ([[[1, 2, 3]], [[1, 2]]], None, ValueError, r"expected sequence of length 3 at dim 2 \(got 2\)"),
        ([[1], 2], None, TypeError, "not a sequence"),
        ([1, [2]], None, TypeError, "'list' object cannot be interpreted as an integer"),
        ([1.0, [2]], None, TypeError, "must be real number, not list"),
        ("abc", None, TypeError, r"new\(\): invalid data type 'str'"),
        (["abc"], None, ValueError, "too many dimensions 'str'"),
        (b"abc", None, TypeError, r"new\(\): invalid data type 'bytes'"),
        (None, None, RuntimeError, "Could not infer dtype of NoneType"),
        ([1, None], None, RuntimeError, "Could not infer dtype of NoneType"),
        ([None], float32, TypeError, "must be real number, not NoneType"),
        ({1: 2}, None, RuntimeError, "Could not infer dtype of dict"),
        (1j, None, TypeError, "complex numbers are not supported"),
        (2**63, None, ValueError, "Overflow when unpacking long long"),
        (300, rushlight.uint8, RuntimeError, "value cannot be converted to type uint8 without overflow"),
        (-256, rushlight.uint8, RuntimeError, "value cannot be converted to type uint8 without overflow"),
        (-129, rushlight.int8, RuntimeError, "type int8 without overflow"),
        (2**31, rushlight.int32, RuntimeError, "type int32 without overflow"),
        (math.nan, int64, RuntimeError, "type int64 without overflow"),
        (2.0**63, int64, RuntimeError, "type int64 without overflow"),
        ([rushlight.tensor([1, 2])], None, TypeError, "only integer tensors of a single element"),
        (
            np.array(["a"]),
            None,
            TypeError,
            r"can't convert np.ndarray of type numpy.str_\. The only supported",
        ),
        (np.array([1j]), None, TypeError, r"can't convert np.ndarray of type numpy.complex128"),
        (np.arange(3, dtype=">i4"), None, ValueError, "byte order different from the native byte order"),
        (np.arange(3)[::-1], None, ValueError, "At least one stride in the given numpy array is negative"),
    ],
)
def test_bad_values(
    data: object, dtype: rushlight.dtype | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        rushlight.tensor(data, dtype=dtype)


def test_nesting_without_end() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(ValueError, match="too many dimensions 'list'"):
        rushlight.tensor(cycle)


def test_requires_grad_and_device() -> None:
    tensor = rushlight.tensor([1.0], requires_grad=True, device="cpu")
    assert tensor.requires_grad
    assert tensor.device == rushlight.device("cpu")
    with pytest.raises(RuntimeError, match="floating point"):
        rushlight.tensor([1], requires_grad=True)
    with pytest.raises(RuntimeError, match="runs on the CPU only: expected device 'cpu', got 'cuda'"):
        rushlight.tensor([1], device="cuda")


def test_a_tensor_is_copied_with_a_warning() -> None:
    source = rushlight.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        copy = rushlight.tensor(source)
    assert not copy.requires_grad
    assert copy.tolist() == [1, 2]
    assert copy.data_ptr() != source.data_ptr()


def test_as_tensor_shares_what_it_can() -> None:
    array = np.array([1.0, 2.0])
    assert rushlight.as_tensor(array).data_ptr() == array.ctypes.data
    assert rushlight.as_tensor(array, dtype=float32).dtype == float32
    tensor = rushlight.tensor([1.0])
    assert rushlight.as_tensor(tensor) is tensor
    assert rushlight.as_tensor([1, 2]).tolist() == [1, 2]
    copied = rushlight.tensor(array)
    array[0] = 5
    assert copied.tolist() == [1, 2]


def test_a_fortran_array_becomes_contiguous_in_tensor() -> None:
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    assert rushlight.tensor(array).is_contiguous()
    assert rushlight.as_tensor(array).stride() == (1, 2)


def test_legacy_constructor() -> None:
    assert rushlight.Tensor().shape == (0,)
    assert rushlight.Tensor(2, 3).shape == (2, 3)
    assert rushlight.Tensor([2, 3]).tolist() == [2.0, 3.0]
    assert rushlight.Tensor([2, 3]).dtype == float32


def test_new_tensor_takes_the_dtype() -> None:
    base = rushlight.tensor([1], dtype=rushlight.int16)
    assert base.new_tensor([1.5]).dtype == rushlight.int16
    assert base.new_tensor([1.5], dtype=float64, requires_grad=True).requires_grad


def test_default_dtype() -> None:
    rushlight.set_default_dtype(float64)
    try:
        assert rushlight.tensor(1.5).dtype == float64
        assert repr(rushlight.tensor(1.5)) == "tensor(1.5000)"
        assert rushlight.finfo().bits == 64
    finally:
        rushlight.set_default_dtype(float32)
    assert rushlight.get_default_dtype() == float32
