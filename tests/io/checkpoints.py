"""Builders and comparisons that the checkpoint tests share."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections import Counter, OrderedDict
from typing import Any

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def sample(lib: Any) -> dict[str, Any]:
    """One object with everything that a checkpoint may hold, made with `lib` (rushlight or torch)."""
    base = lib.tensor([[float(4 * row + column) for column in range(4)] for row in range(3)])
    state = OrderedDict(weight=base.clone(), tied=base)
    state._metadata = OrderedDict([("", {"version": 1})])  # type: ignore[attr-defined]
    cycle: list[Any] = [1]
    cycle.append(cycle)
    return {
        "state": state,
        "views": [base, base.t(), base[1], base[:, ::2], base[1:, 1:3], base.expand(2, 3, 4)],
        "parameters": [
            lib.nn.Parameter(base.clone()),
            lib.nn.Parameter(base[0].clone(), requires_grad=False),
        ],
        "leaf": lib.tensor([1.0, 2.0], requires_grad=True),
        "empty": [lib.tensor([]), lib.tensor([[], [], []]), lib.tensor(3.5)],
        "dtypes": [lib.tensor([0, 1, 3]).to(getattr(lib, name)) for name in DTYPES],
        "numbers": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, -(2**31) - 1, 2**63, -(2**80), 2**2000],
        "floats": [1.5, -0.0, math.inf, math.nan, 1 + 2j],
        "texts": ["", "a\u1234\U0001f600", b"", b"\xff\x00", bytearray(b"q"), bytearray()],
        "plain": [None, True, False, (), (1, (2, [3])), {1, "a"}, Counter("aab"), {("a", 1): 2, 3.5: None}],
        "ours": [lib.Size([2, 3]), lib.device("cpu"), lib.float32, lib.bool],
        "optimizer": {
            "state": {0: {"step": lib.tensor(1.0), "buffer": None}},
            "param_groups": [{"lr": 0.1, "params": [0]}],
        },
        "cycle": cycle,
    }


def assert_same(actual: Any, expected: Any, path: str = "", seen: set[int] | None = None) -> None:
    """Compares objects of rushlight and torch (or of one of them) by kind and value."""
    seen = set() if seen is None else seen
    if id(expected) in seen:
        return
    seen.add(id(expected))
    assert type(actual).__name__ == type(expected).__name__, path
    if hasattr(expected, "stride"):
        for name in ("dtype", "shape", "requires_grad"):
            assert str(getattr(actual, name)) == str(getattr(expected, name)), f"{path}.{name}"
        assert actual.stride() == expected.stride(), path
        assert actual.storage_offset() == expected.storage_offset(), path
        assert actual.tolist() == expected.tolist(), path
        assert actual.is_leaf, path
    elif isinstance(expected, dict):
        assert list(actual) == list(expected), path
        for key in expected:
            assert_same(actual[key], expected[key], f"{path}[{key!r}]", seen)
        assert_same(
            list(vars(actual).items()) if hasattr(actual, "__dict__") else [],
            list(getattr(expected, "__dict__", {}).items()),
        )
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected), path
        for index, (left, right) in enumerate(zip(actual, expected, strict=True)):
            assert_same(left, right, f"{path}[{index}]", seen)
    elif isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(actual), path
    elif type(expected).__name__ in ("dtype", "device"):
        assert str(actual) == str(expected), path
    else:
        assert actual == expected, path


def archive(
    program: bytes, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED, **extra: bytes
) -> io.BytesIO:
    """A zip checkpoint with a hand-made pickle program."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        target.writestr("archive/data.pkl", program)
        target.writestr("archive/byteorder", extra.get("byteorder", b"little"))
        for key, data in (storages or {}).items():
            target.writestr(f"archive/data/{key}", data)
        for name in extra.keys() - {"byteorder"}:
            target.writestr(f"archive/{name.replace('_pkl', '.pkl')}", extra[name])
        target.writestr("archive/version", b"3\n")
    file.seek(0)
    return file


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value: int) -> bytes:
    data = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def storage(count: int, kind: str = "FloatStorage", key: str = "0", location: str = "cpu") -> bytes:
    return b"(" + text("storage") + name("torch", kind) + text(key) + text(location) + integer(count) + b"tQ"


def tensor(
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int = 0,
    count: int = 4,
    source: bytes | None = None,
) -> bytes:
    """The call that rebuilds a float32 tensor."""
    sizes = b"".join(b"(" + b"".join(map(integer, numbers)) + b"t" for numbers in (size, stride))
    head = name("torch._utils", "_rebuild_tensor_v2") + b"(" + (storage(count) if source is None else source)
    return head + integer(offset) + sizes + b"\x89" + name("collections", "OrderedDict") + b")RtR"


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."
