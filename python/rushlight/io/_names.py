"""The exact table of what a checkpoint may name, and how tensors are rebuilt from it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

import rushlight

from ._engine import DTYPES, Storage, parameter
from ._unpickle import Function, checked_key

__all__ = ["NameTable", "StorageType"]

_MAX_DIMS = 64
_MAX_INT64 = 2**63 - 1
_DTYPE_NAMES = frozenset(DTYPES.values())
# Known, but for things this engine does not have: worth a better answer than "not allowed".
_UNSUPPORTED = {
    "_rebuild_sparse_tensor": "sparse tensors",
    "_rebuild_sparse_csr_tensor": "sparse tensors",
    "_rebuild_qtensor": "quantized tensors",
    "_rebuild_nested_tensor": "nested tensors",
    "_rebuild_meta_tensor_no_storage": "meta tensors",
    "_rebuild_wrapper_subclass": "tensor subclasses",
    "_rebuild_device_tensor_from_numpy": "tensors of other devices",
    "_rebuild_device_tensor_from_cpu_tensor": "tensors of other devices",
}


class StorageType:
    """Stands for a storage class; `dtype` is None for PyTorch's untyped storage."""

    def __init__(self, name: str, dtype: rushlight.dtype | None) -> None:
        self.name = name
        self.dtype = dtype


class NameTable:
    """Looks up (module, name) pairs for :class:`Unpickler`.

    Args:
        fail: raises the reader's error with the file's name in it.
    """

    def __init__(self, fail: Callable[[str], NoReturn]) -> None:
        self._fail = fail
        table: dict[tuple[str, str], Any] = {
            ("torch", name): StorageType(name, getattr(rushlight, dtype)) for name, dtype in DTYPES.items()
        }
        table.update({("torch", name): getattr(rushlight, name) for name in _DTYPE_NAMES})
        table["torch.storage", "UntypedStorage"] = StorageType("UntypedStorage", None)
        functions: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): _ordered_dict,
            ("collections", "Counter"): _counter,
            ("builtins", "set"): _set,
            ("builtins", "complex"): _complex,
            ("builtins", "bytes"): _empty_bytes,
            ("builtins", "bytearray"): _bytearray,
            ("_codecs", "encode"): _encode,
            ("torch", "Size"): self._size,
            ("torch", "device"): self._device,
            ("torch", "Tensor"): self._no_tensor_class,
            ("torch.nn.parameter", "Parameter"): self._rebuild_parameter,
            ("torch._utils", "_rebuild_tensor"): self._rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild_tensor_v2,
            ("torch._utils", "_rebuild_tensor_v3"): self._rebuild_tensor_v3,
            ("torch._utils", "_rebuild_parameter"): self._rebuild_parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): self._rebuild_parameter_with_state,
            ("torch._tensor", "_rebuild_from_type_v2"): self._rebuild_from_type,
        }
        for (module, name), call in functions.items():
            table[module, name] = Function(f"{module}.{name}", call)
        self._table = table

    def find(self, module: str, name: str) -> Any:
        """Returns the table's entry; raises for every name that is not in it."""
        key = ("builtins" if module == "__builtin__" else module, name)
        if key in self._table:
            return self._table[key]
        if module == "torch._utils" and name in _UNSUPPORTED:
            self._fail(f"it holds {_UNSUPPORTED[name]} (torch._utils.{name}), which rushlight does not have")
        if module == "torch" and name.endswith("Storage"):
            self._fail(f"it holds a torch.{name}; supported are {', '.join(sorted(DTYPES))}")
        return self._fail(
            f"it names {module:.80}.{name:.80}, which is not on the list of what a checkpoint may name. "
            "rushlight never imports or runs what a file asks for; save a state_dict of tensors and plain "
            "values instead"
        )

    # Rebuilding tensors.

    def _rebuild_tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> rushlight.Tensor:
        loaded, storage_type = self._loaded(storage)
        if storage_type.dtype is None:
            self._fail("_rebuild_tensor is given an untyped storage")
        return self._view(loaded, storage_type.dtype, offset, size, stride)

    def _rebuild_tensor_v2(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        metadata: Any = None,
    ) -> rushlight.Tensor:
        del metadata  # marks of math views (conjugate, negative), which no dtype of ours has
        self._no_hooks(hooks)
        return self._with_grad(self._rebuild_tensor(storage, offset, size, stride), requires_grad)

    def _rebuild_tensor_v3(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> rushlight.Tensor:
        del metadata
        self._no_hooks(hooks)
        loaded, _ = self._loaded(storage)
        if not isinstance(dtype, rushlight.dtype):
            self._fail(f"_rebuild_tensor_v3 is given {dtype!r:.80} as dtype")
        return self._with_grad(self._view(loaded, dtype, offset, size, stride), requires_grad)

    def _loaded(self, storage: Any) -> tuple[Storage, StorageType]:
        if type(storage) is not tuple or len(storage) != 2 or not isinstance(storage[0], Storage):
            self._fail(f"a tensor is to be built on a {type(storage).__name__}, expected a storage")
        return storage

    def _view(
        self, storage: Storage, dtype: rushlight.dtype, offset: Any, size: Any, stride: Any
    ) -> rushlight.Tensor:
        where = f"a tensor in storage {storage.key!r} with size {size!r:.200}, stride {stride!r:.200}"
        where += f", offset {offset!r:.40}"
        if type(offset) is not int or offset < 0 or not _are_sizes(size) or not _are_sizes(stride):
            self._fail(f"{where} is malformed, expected tuples of non-negative integers")
        if len(size) != len(stride) or len(size) > _MAX_DIMS:
            self._fail(
                f"{where} has {len(size)} sizes and {len(stride)} strides, expected as many and at most "
                f"{_MAX_DIMS}"
            )
        last = offset + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
        available = storage.nbytes // dtype.itemsize
        count = 1
        for extent in size:
            count *= extent
        if (
            (count and last >= available)
            or offset > available
            or max(count, offset, *stride, *size, 0) > _MAX_INT64
        ):
            self._fail(f"{where} reaches outside its storage of {available} elements")
        return storage.tensor(dtype, tuple(size), tuple(stride), offset)

    def _with_grad(self, tensor: rushlight.Tensor, requires_grad: Any) -> rushlight.Tensor:
        if type(requires_grad) is not bool:
            self._fail(f"requires_grad is a {type(requires_grad).__name__}, expected a bool")
        if requires_grad and not tensor.dtype.is_floating_point:
            self._fail(f"a tensor of {tensor.dtype} requires grad; only floating-point tensors can")
        return tensor.requires_grad_(requires_grad) if requires_grad else tensor

    def _no_hooks(self, hooks: Any) -> None:
        if hooks is not None and (not isinstance(hooks, dict) or hooks):
            self._fail("a tensor carries backward hooks, which are code and are not loaded")

    def _rebuild_parameter(self, data: Any, requires_grad: Any = True, hooks: Any = None) -> rushlight.Tensor:
        self._no_hooks(hooks)
        if not isinstance(data, rushlight.Tensor):
            self._fail(f"a Parameter is built from a {type(data).__name__}, expected a tensor")
        self._with_grad(data.detach(), requires_grad)
        return parameter(data, requires_grad)

    def _rebuild_parameter_with_state(
        self, data: Any, requires_grad: Any, hooks: Any, state: Any
    ) -> rushlight.Tensor:
        return self._with_attributes(self._rebuild_parameter(data, requires_grad, hooks), state)

    def _rebuild_from_type(self, function: Any, kind: Any, args: Any, state: Any) -> rushlight.Tensor:
        plain = (self._table["torch", "Tensor"], self._table["torch.nn.parameter", "Parameter"])
        if (
            not isinstance(function, Function)
            or not function.name.startswith("torch._utils.")
            or kind not in plain
        ):
            self._fail("a tensor subclass is to be rebuilt; only Tensor and Parameter are loaded")
        if type(args) is not tuple:
            self._fail(
                f"{function.name} is called with a {type(args).__name__}, expected a tuple of arguments"
            )
        return self._with_attributes(function.call(*args), state)

    def _with_attributes(self, tensor: rushlight.Tensor, state: Any) -> rushlight.Tensor:
        if type(state) is not dict:
            self._fail(f"a tensor's attributes are a {type(state).__name__}, expected a dict")
        for key, value in state.items():
            if not isinstance(key, str) or key.startswith("__") or hasattr(type(tensor), key):
                self._fail(f"the file sets attribute {key!r:.80} of a tensor")
            setattr(tensor, key, value)
        return tensor

    # The other names.

    def _size(self, sizes: Any = ()) -> Any:
        if not isinstance(sizes, (tuple, list)) or not all(type(size) is int for size in sizes):
            self._fail(f"torch.Size is built from {sizes!r:.80}, expected integers")
        return rushlight.Size(sizes)

    def _device(self, kind: Any, index: Any = None) -> Any:
        if kind != "cpu":
            self._fail(f"it names device {kind!r:.40}; rushlight has the CPU only")
        return rushlight.device("cpu") if index is None else rushlight.device("cpu", index)

    def _no_tensor_class(self, *args: Any) -> NoReturn:
        self._fail("it calls torch.Tensor directly; tensors come with their storage")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(type(item) is int and item >= 0 for item in value)


def _ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    if type(items) not in (list, tuple):  # pairs, as Python 2 pickled it
        raise TypeError(f"got a {type(items).__name__}")
    return OrderedDict((checked_key(key), value) for key, value in items)


def _counter(counts: Any = None) -> Counter[Any]:
    if counts is not None and (
        type(counts) is not dict or not all(type(count) is int for count in counts.values())
    ):
        raise TypeError(f"got {counts!r:.80}, expected a dict of integers")
    return Counter(counts)


def _set(items: Any = ()) -> set[Any]:
    if type(items) not in (list, tuple):
        raise TypeError(f"got a {type(items).__name__}")
    return {checked_key(item) for item in items}


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise TypeError("expected two floats")
    return complex(real, imaginary)


def _bytearray(data: Any = b"", encoding: Any = None) -> bytearray:
    return bytearray(data if type(data) is bytes else _encode(data, encoding)) if data else bytearray()


def _empty_bytes() -> bytes:
    """How protocol 2 spells b""."""
    return b""


def _encode(text: Any, encoding: Any) -> bytes:
    """How protocol 2 spells a bytes value."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise TypeError(
            f"got a {type(text).__name__} and encoding {encoding!r:.40}, expected text and 'latin1'"
        )
    return text.encode("latin-1")
