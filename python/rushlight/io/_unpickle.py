"""A closed pickle machine: builds plain data, and calls only functions of ours from an exact table.

It knows the opcodes that `pickle` writes for containers, numbers and text (protocols 2 to 5). Nothing is
imported and no attribute is looked up by a name from the file: the table decides what a name stands for.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ._source import ByteSource

__all__ = ["Function", "Unpickler", "checked_key"]

_MAX_LONG = 255  # bytes of one integer
_MAX_DEPTH = 1000  # nested containers
_SCALARS = (str, bytes, int, float, complex, type(None))
_CONTAINERS = (list, tuple, dict, set)


def checked_key(value: Any) -> Any:
    """Returns `value` if it may be a key: a scalar or a flat tuple of scalars, else raises ValueError.

    Hashing a deeply nested tuple from a file would exhaust the C stack.
    """
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(part, _SCALARS) for part in parts):
        raise ValueError(
            f"a {type(value).__name__} is used as key, expected text, a number or a flat tuple of those"
        )
    return value


class Function:
    """A table entry that REDUCE may call; everything else a name stands for is inert."""

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name = name
        self.call = call


class Unpickler:
    """Runs one pickle program.

    Args:
        source: where the program is read from; left just behind its STOP.
        find_name: maps (module, name) to a :class:`Function` or an inert value, or raises.
        load_persistent: maps a persistent id to a value, or raises.
        is_result: tells whether a value that is no container and no scalar may be part of the result.
    """

    def __init__(
        self,
        source: ByteSource,
        find_name: Callable[[str, str], Any],
        load_persistent: Callable[[Any], Any],
        is_result: Callable[[Any], bool],
    ) -> None:
        self._source = source
        self._find_name = find_name
        self._load_persistent = load_persistent
        self._is_result = is_result
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []  # the stacks below each open MARK
        self._memo: dict[int, Any] = {}
        self._copied = 0

    def load(self) -> Any:
        """Returns the value that the program leaves on its stack."""
        take, dispatch = self._source.take, _DISPATCH
        while True:
            opcode = take(1, "the next pickle opcode")[0]
            if opcode == _STOP:
                break
            action = dispatch.get(opcode)
            if action is None:
                self._source.fail(
                    f"pickle opcode 0x{opcode:02x} at byte {self._source.consumed - 1} is not one that plain "
                    "data needs; the file is damaged, or holds objects that only code can rebuild (save a "
                    "state_dict instead)"
                )
            try:
                action(self)
            except ValueError as error:
                self._source.fail(str(error))
        if len(self._stack) != 1 or self._marked:
            values, marks = len(self._stack), len(self._marked)
            self._source.fail(
                f"the pickle ends with {values} values and {marks} open marks, expected 1 and 0"
            )
        self._check_result(self._stack[0])
        return self._stack[0]

    def _check_result(self, result: Any) -> None:
        """Refuses storages, classes and functions in the result, and nesting that exhausts Python's stack."""
        seen: set[int] = set()
        level = [result]
        for _ in range(_MAX_DEPTH):
            below: list[Any] = []
            for value in level:
                if isinstance(value, _CONTAINERS):
                    if id(value) not in seen:
                        seen.add(id(value))
                        below.extend(value)
                        if isinstance(value, dict):
                            below.extend(value.values())
                            below.extend(getattr(value, "__dict__", {}).values())
                elif not isinstance(value, (*_SCALARS, bytearray)) and not self._is_result(value):
                    name = value.name if isinstance(value, Function) else type(value).__name__
                    self._source.fail(
                        f"{name} stands where data is expected; only tensors and plain values can be loaded"
                    )
            if not below:
                return
            level = below
        self._source.fail(f"containers are nested more than {_MAX_DEPTH} deep")

    # Stack and memo.

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            self._source.fail(f"the pickle takes from an empty stack at byte {self._source.consumed}")
        return self._stack.pop()

    def _top(self, kinds: type | tuple[type, ...]) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kinds):
            found = type(self._stack[-1]).__name__ if self._stack else "an empty stack"
            self._source.fail(f"the pickle adds items to {found} at byte {self._source.consumed}")
        return self._stack[-1]

    def _mark(self) -> None:
        if len(self._marked) >= _MAX_DEPTH:
            self._source.fail(f"groups are nested more than {_MAX_DEPTH} deep")
        self._marked.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        if not self._marked:
            self._source.fail(f"the pickle closes a group it never opened at byte {self._source.consumed}")
        items = self._stack
        self._stack = self._marked.pop()
        return items

    def _put(self, index: int) -> None:
        if not self._stack:
            self._source.fail(
                f"the pickle remembers a value of an empty stack at byte {self._source.consumed}"
            )
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        if index not in self._memo:
            self._source.fail(f"the pickle recalls value {index}, which it never stored")
        self._push(self._memo[index])

    def _proto(self) -> None:
        version = self._byte()
        if not 2 <= version <= 5:
            self._source.fail(f"pickle protocol {version} is not read, expected 2 to 5")

    def _frame(self) -> None:
        length = self._number("<Q")
        if length > self._source.remaining:
            self._source.fail(
                f"truncated: a frame of {length} bytes, the file has {self._source.remaining} left"
            )

    # Numbers and text.

    def _byte(self) -> int:
        return self._source.take(1)[0]

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._source.take(struct.calcsize(layout)))[0]

    def _text(self, length: int) -> None:
        data = self._source.take(length, "a text")
        try:
            self._push(data.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            self._source.fail(
                f"a text of {length} bytes at byte {self._source.consumed - length} is not UTF-8"
            )

    def _long(self, length: int) -> None:
        if not 0 <= length <= _MAX_LONG:
            self._source.fail(f"an integer of {length} bytes, expected at most {_MAX_LONG}")
        self._push(int.from_bytes(self._source.take(length), "little", signed=True))

    # Containers.

    def _set_items(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2:
            self._source.fail(f"a dict is given {len(items)} keys and values, expected an even number")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _append(self) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _appends(self) -> None:
        items = self._pop_mark()
        self._top(list).extend(items)

    def _add_items(self) -> None:
        items = self._pop_mark()
        self._top(set).update([checked_key(item) for item in items])

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    # Names, calls and state.

    def _decode_name(self, data: bytes) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self._source.fail(f"a module or class name is not UTF-8: {data[:80]!r}")

    def _global(self) -> None:
        module = self._decode_name(self._source.take_line())
        self._push(self._find_name(module, self._decode_name(self._source.take_line())))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            self._source.fail(
                f"a name is given as {type(module).__name__} and {type(name).__name__}, expected two texts"
            )
        self._push(self._find_name(module, name))

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        if not isinstance(function, Function):
            self._source.fail(f"the file calls {function!r:.80}, which is no function that rebuilds data")
        if type(args) is not tuple:
            self._source.fail(
                f"{function.name} is called with {type(args).__name__}, expected a tuple of arguments"
            )
        # A memoized argument could be copied again and again: what is copied stays in proportion to what was
        # read.
        self._copied += sum(
            len(arg) for arg in args if isinstance(arg, (str, bytes, bytearray, *_CONTAINERS))
        )
        if self._copied > 4 * self._source.consumed + 1024:
            read = self._source.consumed
            self._source.fail(f"{self._copied} bytes or items would be copied from {read} bytes of pickle")
        try:
            self._push(function.call(*args))
        except (TypeError, ValueError, OverflowError, LookupError, AttributeError) as error:
            self._source.fail(f"{function.name} is called with arguments it does not take: {error}")

    def _build(self) -> None:
        state, target = self._pop(), self._top((object,))
        if type(target) is not OrderedDict or type(state) is not dict:
            self._source.fail(
                f"the file sets the state of a {type(target).__name__} from a {type(state).__name__}; "
                "only an OrderedDict's attributes are restored"
            )
        for key, value in state.items():
            if not isinstance(key, str) or key.startswith("__") or hasattr(OrderedDict, key):
                self._source.fail(f"the file sets attribute {key!r:.80} of an OrderedDict")
            setattr(target, key, value)

    def _persistent(self) -> None:
        self._push(self._load_persistent(self._pop()))


_STOP = ord(".")
_DISPATCH: dict[int, Callable[[Unpickler], None]] = {
    opcode[0]: action
    for opcode, action in {
        b"\x80": Unpickler._proto,
        b"\x95": Unpickler._frame,
        b"(": Unpickler._mark,
        b"q": lambda vm: vm._put(vm._byte()),
        b"r": lambda vm: vm._put(vm._number("<I")),
        b"\x94": lambda vm: vm._put(len(vm._memo)),
        b"h": lambda vm: vm._get(vm._byte()),
        b"j": lambda vm: vm._get(vm._number("<I")),
        b"N": lambda vm: vm._push(None),
        b"\x88": lambda vm: vm._push(True),
        b"\x89": lambda vm: vm._push(False),
        b"K": lambda vm: vm._push(vm._byte()),
        b"M": lambda vm: vm._push(vm._number("<H")),
        b"J": lambda vm: vm._push(vm._number("<i")),
        b"G": lambda vm: vm._push(vm._number(">d")),
        b"\x8a": lambda vm: vm._long(vm._byte()),
        b"\x8b": lambda vm: vm._long(vm._number("<i")),
        b"X": lambda vm: vm._text(vm._number("<I")),
        b"\x8c": lambda vm: vm._text(vm._byte()),
        b"\x8d": lambda vm: vm._text(vm._number("<Q")),
        b"U": lambda vm: vm._text(vm._byte()),  # a Python 2 string
        b"T": lambda vm: vm._text(vm._number("<I")),
        b"B": lambda vm: vm._push(vm._source.take(vm._number("<I"), "a bytes value")),
        b"C": lambda vm: vm._push(vm._source.take(vm._byte(), "a bytes value")),
        b"\x8e": lambda vm: vm._push(vm._source.take(vm._number("<Q"), "a bytes value")),
        b"\x96": lambda vm: vm._push(bytearray(vm._source.take(vm._number("<Q"), "a bytes value"))),
        b")": lambda vm: vm._push(()),
        b"]": lambda vm: vm._push([]),
        b"}": lambda vm: vm._push({}),
        b"\x8f": lambda vm: vm._push(set()),
        b"t": lambda vm: vm._push(tuple(vm._pop_mark())),
        b"\x85": lambda vm: vm._tuple(1),
        b"\x86": lambda vm: vm._tuple(2),
        b"\x87": lambda vm: vm._tuple(3),
        b"a": Unpickler._append,
        b"e": Unpickler._appends,
        b"s": Unpickler._set_item,
        b"u": lambda vm: vm._set_items(vm._pop_mark()),
        b"\x90": Unpickler._add_items,
        b"c": Unpickler._global,
        b"\x93": Unpickler._stack_global,
        b"R": Unpickler._reduce,
        b"b": Unpickler._build,
        b"Q": Unpickler._persistent,
    }.items()
}
