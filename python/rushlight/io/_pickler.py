"""Writes plain data and tensors as the pickle program that PyTorch's and our closed readers understand."""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from typing import Any, NoReturn

import rushlight

from ._engine import DTYPES, UntypedStorage

__all__ = ["Pickler"]

_MAX_DEPTH = 200  # nested containers
_MAX_LONG = 255  # bytes of one integer
_STORAGE_TYPES = {dtype: name for name, dtype in DTYPES.items()}


class Pickler:
    """Turns one object into `program` (pickle protocol 2) and `storages`, the tensors whose bytes go beside
    it.

    An object met twice is written once, and tensors that share memory keep sharing it.
    """

    def __init__(self) -> None:
        self.program = bytearray(b"\x80\x02")
        self.storages: list[UntypedStorage] = []
        self._storage_keys: dict[int, tuple[str, rushlight.dtype]] = {}  # by id
        self._memo: dict[Any, int] = {}  # by id, or by name for what PyTorch calls globals
        self._memo_size = 0
        self._kept: list[Any] = []  # keeps every memoized object alive, so that no id is used twice
        self._path: list[str] = []
        self._open_tuples: set[int] = set()

    def dump(self, value: Any) -> None:
        """Writes the whole object; to be called once."""
        self._write(value)
        self.program += b"."

    def _fail(self, message: str) -> NoReturn:
        place = "".join(self._path) or "the object itself"
        raise TypeError(f"save: {place}: {message}")

    def _write(self, value: Any) -> None:
        index = self._memo.get(id(value))
        if index is not None:
            self._get(index)
            return
        if len(self._path) > _MAX_DEPTH:
            raise ValueError(f"save: containers are nested more than {_MAX_DEPTH} deep")
        kind = type(value)
        writer = _WRITERS.get(kind)
        if writer is not None:
            writer(self, value)
        elif isinstance(value, rushlight.dtype):
            self._global("torch", str(value).split(".")[1])
        elif isinstance(value, rushlight.device):
            self._call("torch", "device", (str(value),))
            self._remember(value)
        elif isinstance(value, rushlight.Size):
            self._call("torch", "Size", (tuple(value),))
            self._remember(value)
        elif isinstance(value, rushlight.Tensor):
            self._tensor(value)
        else:
            self._fail(
                f"a {kind.__module__}.{kind.__qualname__} cannot be saved; a checkpoint holds tensors, "
                "numbers, text, and list, tuple, dict, OrderedDict, Counter or set of them (for a module, "
                "save its state_dict(); for a NumPy scalar, its .item())"
            )

    # Memo.

    def _get(self, index: int) -> None:
        self.program += struct.pack("<cB", b"h", index) if index < 256 else struct.pack("<cI", b"j", index)

    def _remember(self, value: Any) -> None:
        self._put(id(value))
        self._kept.append(value)

    def _put(self, key: Any) -> None:
        index = self._memo[key] = self._memo_size
        self._memo_size += 1
        self.program += struct.pack("<cB", b"q", index) if index < 256 else struct.pack("<cI", b"r", index)

    # Scalars.

    def _none(self, value: None) -> None:
        self.program += b"N"

    def _bool(self, value: bool) -> None:
        self.program += b"\x88" if value else b"\x89"

    def _int(self, value: int) -> None:
        if 0 <= value < 1 << 8:
            self.program += struct.pack("<cB", b"K", value)
        elif 0 <= value < 1 << 16:
            self.program += struct.pack("<cH", b"M", value)
        elif -(1 << 31) <= value < 1 << 31:
            self.program += struct.pack("<ci", b"J", value)
        else:
            length = (value if value >= 0 else ~value).bit_length() // 8 + 1
            if length > _MAX_LONG:
                self._fail(f"an integer of {length} bytes cannot be saved, at most {_MAX_LONG}")
            self.program += struct.pack("<cB", b"\x8a", length) + value.to_bytes(
                length, "little", signed=True
            )

    def _float(self, value: float) -> None:
        self.program += struct.pack(">cd", b"G", value)

    def _complex(self, value: complex) -> None:
        self._call("__builtin__", "complex", (value.real, value.imag))

    def _text(self, value: str) -> None:
        data = value.encode("utf-8", "surrogatepass")
        if len(data) >= 1 << 32:
            self._fail(f"a text of {len(data)} bytes cannot be saved, at most 4 GiB")
        self.program += struct.pack("<cI", b"X", len(data)) + data
        self._remember(value)

    def _bytes(self, value: bytes) -> None:
        self._call("_codecs", "encode", (value.decode("latin-1"), "latin1"))
        self._remember(value)

    def _bytearray(self, value: bytearray) -> None:
        self._call("__builtin__", "bytearray", (bytes(value),))
        self._remember(value)

    # Containers.

    def _item(self, value: Any, step: str) -> None:
        self._path.append(step)
        self._write(value)
        self._path.pop()

    def _list(self, value: list[Any]) -> None:
        self.program += b"]"
        self._remember(value)
        self._list_items(value)

    def _list_items(self, value: Any) -> None:
        self.program += b"("
        for position, item in enumerate(value):
            self._item(item, f"[{position}]")
        self.program += b"e"

    def _tuple(self, value: tuple[Any, ...]) -> None:
        if id(value) in self._open_tuples:
            self._fail("a tuple that contains itself cannot be saved")
        self._open_tuples.add(id(value))
        self.program += b"("
        for position, item in enumerate(value):
            self._item(item, f"[{position}]")
        self.program += b"t"
        self._open_tuples.remove(id(value))
        self._remember(value)

    def _dict(self, value: dict[Any, Any]) -> None:
        self.program += b"}"
        self._remember(value)
        self._dict_items(value)

    def _ordered_dict(self, value: OrderedDict[Any, Any]) -> None:
        self._call("collections", "OrderedDict", ())
        self._remember(value)
        self._dict_items(value)
        if value.__dict__:  # state_dict() keeps _metadata there
            self._item(value.__dict__, ".__dict__")
            self.program += b"b"

    def _dict_items(self, value: dict[Any, Any]) -> None:
        self.program += b"("
        for key, item in value.items():
            self._item(key, f" key {key!r:.40}")
            self._item(item, f"[{key!r:.80}]")
        self.program += b"u"

    def _counter(self, value: Counter[Any]) -> None:
        self._call("collections", "Counter", (dict(value),))
        self._remember(value)

    def _set(self, value: set[Any]) -> None:
        self._call("__builtin__", "set", (list(value),))
        self._remember(value)

    # Names, calls, tensors.

    def _global(self, module: str, name: str) -> None:
        index = self._memo.get((module, name))
        if index is not None:
            self._get(index)
            return
        self.program += f"c{module}\n{name}\n".encode()
        self._put((module, name))

    def _call(self, module: str, name: str, args: tuple[Any, ...]) -> None:
        self._global(module, name)
        self.program += b"("
        for arg in args:
            self._kept.append(arg)
            self._write(arg)
        self.program += b"tR"

    def _tensor(self, value: rushlight.Tensor) -> None:
        if isinstance(value, rushlight.nn.Parameter):
            self._global("torch._utils", "_rebuild_parameter")
            self.program += b"("
            self._rebuild(value, False)
            self._bool(value.requires_grad)
        elif type(value) is rushlight.Tensor:
            self._rebuild(value, value.requires_grad)
            self._remember(value)
            return
        else:
            self._fail(
                f"a {type(value).__qualname__}, a subclass of Tensor, cannot be saved; save its .detach()"
            )
        self._call("collections", "OrderedDict", ())
        self.program += b"tR"
        self._remember(value)

    def _rebuild(self, value: rushlight.Tensor, requires_grad: bool) -> None:
        self._global("torch._utils", "_rebuild_tensor_v2")
        self.program += b"("
        self._storage(value)
        self._int(value.storage_offset())
        for numbers in (value.size(), value.stride()):
            self.program += b"("
            for number in numbers:
                self._int(number)
            self.program += b"t"
        self._bool(requires_grad)
        self._call("collections", "OrderedDict", ())
        self.program += b"tR"

    def _storage(self, value: rushlight.Tensor) -> None:
        storage = value.untyped_storage()
        key, dtype = self._storage_keys.setdefault(id(storage), (str(len(self.storages)), value.dtype))
        if dtype != value.dtype:
            self._fail(
                f"memory is shared by tensors of {dtype} and {value.dtype}, which no checkpoint can express"
            )
        if key == str(len(self.storages)):
            self.storages.append(storage)
        self.program += b"("
        self._write("storage")
        self._global("torch", _STORAGE_TYPES[str(value.dtype).split(".")[1]])
        self._write(key)
        self._write("cpu")
        self._int(storage.nbytes() // value.dtype.itemsize)
        self.program += b"tQ"


_WRITERS: dict[type, Any] = {
    type(None): Pickler._none,
    bool: Pickler._bool,
    int: Pickler._int,
    float: Pickler._float,
    complex: Pickler._complex,
    str: Pickler._text,
    bytes: Pickler._bytes,
    bytearray: Pickler._bytearray,
    list: Pickler._list,
    tuple: Pickler._tuple,
    dict: Pickler._dict,
    OrderedDict: Pickler._ordered_dict,
    Counter: Pickler._counter,
    set: Pickler._set,
}
