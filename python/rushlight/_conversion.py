"""Tensor methods that convert: to other types, to text, and to copies by pickle and deepcopy."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

from . import _core
from ._core import Tensor, UntypedStorage
from ._core import dtype as _dtype
from ._device import CPU, device

# The names Tensor.type() uses, as PyTorch's old tensor classes were called.
_TYPE_NAMES = {
    _core.float32: "FloatTensor",
    _core.float64: "DoubleTensor",
    _core.float16: "HalfTensor",
    _core.bfloat16: "BFloat16Tensor",
    _core.int64: "LongTensor",
    _core.int32: "IntTensor",
    _core.int16: "ShortTensor",
    _core.int8: "CharTensor",
    _core.uint8: "ByteTensor",
    _core.bool: "BoolTensor",
}


def _check_device(place: Any) -> None:
    if str(place) not in ("cpu", "cpu:0"):
        raise RuntimeError(f"rushlight runs on the CPU only: expected device 'cpu', got {str(place)!r}")


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Converts to another element type.

    Called as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``, each followed by
    ``non_blocking=False, copy=False``. The CPU is the only device.

    Args:
        dtype: the element type.
        other: a tensor whose dtype is taken.
        copy: return a copy even if nothing changes.

    Returns:
        The tensor itself if nothing changes, else a converted copy; gradients flow through.

    Raises:
        RuntimeError: for another device.
        TypeError: for arguments of any other kind.
    """
    names = ["device", "dtype", "non_blocking", "copy"]
    if args and isinstance(args[0], Tensor):
        args = (args[0].dtype, *args[1:])
    if args and isinstance(args[0], _dtype):
        names.remove("device")
    if "other" in kwargs:
        kwargs["dtype"] = kwargs.pop("other").dtype
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or given.keys() & kwargs.keys() or kwargs.keys() - {*names, "memory_format"}:
        raise TypeError(
            "to: expected (dtype), (device, dtype) or (other), then non_blocking and copy, "
            f"got {len(args)} positional arguments and {sorted(kwargs)}"
        )
    given.update(kwargs)
    if given.get("device") is not None:
        _check_device(given["device"])
    dtype = self.dtype if given.get("dtype") is None else given["dtype"]
    if not isinstance(dtype, _dtype):
        raise TypeError(f"to: dtype must be a dtype, got {dtype!r}")
    return self._to_dtype(dtype, bool(given.get("copy", False)))


def to_type(self: Tensor, dtype: _dtype | str | None = None, non_blocking: bool = False) -> Any:
    """Returns the name of the tensor's class (``"torch.FloatTensor"``), or converts to `dtype`.

    Args:
        dtype: a dtype or such a name.
        non_blocking: accepted as in PyTorch.
    """
    if dtype is None:
        return "torch." + _TYPE_NAMES[self.dtype]
    if isinstance(dtype, str):
        known = {f"torch.{name}": kind for kind, name in _TYPE_NAMES.items()}
        if dtype not in known:
            raise ValueError(f"type: expected one of {', '.join(known)}, got {dtype!r}")
        dtype = known[dtype]
    return self._to_dtype(dtype)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Converts to the dtype of `other`."""
    return self._to_dtype(other.dtype)


def cpu(self: Tensor) -> Tensor:
    """Returns the tensor itself: it is on the CPU."""
    return self


def get_device(self: Tensor) -> int:
    """Returns -1: the tensor is on the CPU."""
    return -1


def new_tensor(
    self: Tensor, data: Any, *, dtype: _dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Makes a tensor from `data` as ``rushlight.tensor`` does, by default with this tensor's dtype.

    Args:
        data: numbers, sequences of them, an array or a tensor.
        dtype: the element type; None takes this tensor's.
        device: the CPU.
        requires_grad: whether gradients are computed for the result.
    """
    dtype = self.dtype if dtype is None else dtype
    return _core.tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)


def format_tensor(self: Tensor, spec: str) -> str:
    """Formats a number (0-d) by `spec`; other tensors only without one."""
    if self.dim() == 0 and type(self) is Tensor:
        return format(self.item(), spec)
    if spec:
        raise TypeError(f"unsupported format string passed to {type(self).__name__}.__format__")
    return str(self)


def iterate(self: Tensor) -> Iterator[Tensor]:
    """Iterates over the first dimension."""
    if self.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def contains(self: Tensor, element: Any) -> bool:
    """Tells whether any element equals `element`, a number or a tensor."""
    if not isinstance(element, (Tensor, int, float)):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
        )
    return bool((self == element).any())


def reverse(self: Tensor) -> Tensor:
    """Reverses all dimensions, as ``reversed(tensor)``."""
    return self if self.dim() == 0 else self.flip(tuple(range(self.dim())))


# Copies.


def _rebuild(
    kind: type[Tensor],
    storage: UntypedStorage,
    dtype: _dtype,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    requires_grad: bool,
) -> Tensor:
    """Makes a tensor on a storage; what pickle calls."""
    result = _core._tensor_on(storage, dtype, size, stride, offset)
    if kind is not Tensor:
        plain, result = result, kind.__new__(kind)
        Tensor.__init__(result, plain)
    return result.requires_grad_(requires_grad) if requires_grad else result


def _parts(self: Tensor, storage: UntypedStorage) -> tuple[Any, ...]:
    size, stride = tuple(self.size()), self.stride()
    return type(self), storage, self.dtype, size, stride, self.storage_offset(), self.requires_grad


def reduce_tensor(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    """Describes the tensor for pickle and copy.copy; tensors that share memory go on sharing it."""
    return _rebuild, _parts(self, self.untyped_storage()), self.__dict__ or None


def deepcopy_tensor(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """Copies a leaf with its gradient and attributes; memory shared within one deepcopy stays shared.

    Raises:
        RuntimeError: if the tensor is no leaf.
    """
    if id(self) in memo:
        return cast(Tensor, memo[id(self)])
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
            "moment: use detach() or clone() first"
        )
    result = _rebuild(*_parts(self, copy.deepcopy(self.untyped_storage(), memo)))
    memo[id(self)] = result
    if self.grad is not None:
        result.grad = copy.deepcopy(self.grad, memo)
    result.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return result


def _storage_from_bytes(data: bytes) -> UntypedStorage:
    """Makes a storage; what pickle calls."""
    return UntypedStorage._from_bytes(data)


def reduce_storage(self: UntypedStorage, protocol: Any) -> tuple[Any, ...]:
    """Describes the storage for pickle."""
    return _storage_from_bytes, (bytes(self),)


def is_tensor(obj: Any) -> bool:
    """Tells whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Tells whether the element type is a floating-point type."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Tells whether the element type is complex: False, there is none."""
    return input.dtype.is_complex


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def _caster(dtype: _dtype) -> Any:
    def convert(self: Tensor) -> Tensor:
        return self._to_dtype(dtype)

    convert.__doc__ = f"Converts to {dtype}; the tensor itself if it has that type."
    return convert


METHODS: dict[str, Any] = {
    "to": to,
    "type": to_type,
    "type_as": type_as,
    "cpu": cpu,
    "get_device": get_device,
    "new_tensor": new_tensor,
    "float": _caster(_core.float32),
    "double": _caster(_core.float64),
    "half": _caster(_core.float16),
    "bfloat16": _caster(_core.bfloat16),
    "long": _caster(_core.int64),
    "int": _caster(_core.int32),
    "short": _caster(_core.int16),
    "char": _caster(_core.int8),
    "byte": _caster(_core.uint8),
    "bool": _caster(_core.bool),
    "device": property(lambda self: CPU, doc="The CPU."),
    "is_cuda": property(lambda self: False, doc="False: the tensor is on the CPU."),
    "is_cpu": property(lambda self: True, doc="True."),
    "__format__": format_tensor,
    "__iter__": iterate,
    "__contains__": contains,
    "__reversed__": reverse,
    "__reduce_ex__": reduce_tensor,
    "__deepcopy__": deepcopy_tensor,
}

__all__ = ["METHODS", "device", "is_complex", "is_floating_point", "is_tensor", "numel"]
