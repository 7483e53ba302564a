"""What the checkpoint formats need of the engine, in one place."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import _core
from rushlight._core import UntypedStorage

__all__ = ["DTYPES", "Storage", "UntypedStorage", "is_result", "new_storage", "parameter"]

# PyTorch's storage class for each dtype, and the names PyTorch's files use for dtypes.
DTYPES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class Storage:
    """Memory that tensors of one file share; the first tensor on it decides its dtype.

    Args:
        memory: the bytes.
        key: the file's name for the storage.
    """

    def __init__(self, memory: UntypedStorage, key: str) -> None:
        self.memory = memory
        self.key = key
        self.nbytes = memory.nbytes()
        self._dtype: rushlight.dtype | None = None

    def tensor(
        self, dtype: rushlight.dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int
    ) -> rushlight.Tensor:
        """Returns a tensor on the storage; raises ValueError if it does not fit or the dtype differs."""
        if self._dtype is None:
            self._dtype = dtype
        if self._dtype is not dtype:
            raise ValueError(f"storage {self.key!r} is used as {self._dtype} and as {dtype}")
        return _core._tensor_on(self.memory, dtype, size, stride, offset)


def new_storage(nbytes: int, key: str) -> Storage:
    """Returns uninitialised memory."""
    return Storage(UntypedStorage(nbytes), key)


def parameter(data: rushlight.Tensor, requires_grad: bool) -> rushlight.Tensor:
    result: rushlight.Tensor = rushlight.nn.Parameter(data, requires_grad)
    return result


def is_result(value: Any) -> bool:
    """Whether `value` is one of ours that a checkpoint may hold."""
    return isinstance(value, (rushlight.Tensor, rushlight.dtype, rushlight.device))
