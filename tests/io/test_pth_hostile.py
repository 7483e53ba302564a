"""Damaged and malicious checkpoints: one exception with the reason, nothing run, no memory taken on trust."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

import rushlight
from rushlight.io import CheckpointError
from tests.io.checkpoints import archive, integer, name, program, sample, storage, tensor, text


def load_program(body: bytes, storages: dict[str, bytes] | None = None) -> object:
    return rushlight.load(archive(program(body), {"0": bytes(16)} if storages is None else storages))


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("/tmp/rushlight-was-tricked",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_that_a_file_names_is_called(protocol: int) -> None:
    with pytest.raises(CheckpointError, match=r"names posix.mkdir, which is not on the list"):
        rushlight.load(archive(pickle.dumps([Evil()], protocol)))
    assert not os.path.exists("/tmp/rushlight-was-tricked")


FORBIDDEN = [
    (name("os", "system") + b"(" + text("true") + b"tR", "names os.system"),
    (name("builtins", "eval") + b"(" + text("1") + b"tR", "names builtins.eval"),
    (name("__builtin__", "getattr"), "names __builtin__.getattr"),
    (name("torch", "load"), "names torch.load"),
    (name("torch.serialization", "load"), "names torch.serialization.load"),
    (name("rushlight.io", "load"), "names rushlight.io.load"),
    (name("collections", "OrderedDict.__class__"), "names collections.OrderedDict.__class__"),
    (text("os") + text("system") + b"\x93", "names os.system"),
    (b"K\x01K\x02\x93", "a name is given as int and int"),
    (
        name("torch", "ComplexFloatStorage"),
        "it holds a torch.ComplexFloatStorage; supported are BFloat16Storage",
    ),
    (name("torch._utils", "_rebuild_sparse_tensor"), "sparse tensors"),
    (name("torch._utils", "_rebuild_qtensor"), "quantized tensors"),
    (name("torch", "float32") + b")R", "calls torch.float32, which is no function"),
    (name("torch", "Tensor") + b")R", "calls torch.Tensor directly"),
    (name("torch", "Tensor"), "torch.Tensor stands where data is expected"),
    (name("collections", "OrderedDict"), "collections.OrderedDict stands where data is expected"),
    (b"]" + storage(4) + b"a", "Storage stands where data is expected"),
    (name("collections", "OrderedDict") + b")R}" + text("keys") + b"K\x01sb", "sets attribute 'keys'"),
    (
        name("collections", "OrderedDict") + b")R}" + text("__class__") + b"K\x01sb",
        "sets attribute '__class__'",
    ),
    (b"]}b", "sets the state of a list"),
    (name("collections", "OrderedDict") + b"(K\x01tR", "arguments it does not take: got a int"),
    (name("collections", "Counter") + b"(" + text("abc") + b"tR", "got 'abc', expected a dict of integers"),
    (name("builtins", "set") + b"(" + text("abc") + b"tR", "got a str"),
    (name("builtins", "bytearray") + b"(" + integer(1 << 40) + b"tR", "got a int and encoding None"),
    (name("builtins", "bytes") + b"(" + integer(1 << 40) + b"tR", "arguments it does not take"),
    (name("builtins", "complex") + b"(" + text("1") + b"K\x01tR", "expected two floats"),
    (name("_codecs", "encode") + b"(" + text("a") + text("rot13") + b"tR", "encoding 'rot13'"),
    (name("torch", "Size") + b"(" + text("a") + b"tR", "torch.Size is built from 'a'"),
    (name("torch", "device") + b"(" + text("cuda") + b"tR", "names device 'cuda'"),
    (b"c" + b"a" * 5000 + b"\nb\n", "cut off or longer than 4096 bytes"),
    (b"c\xff\nb\n", "is not UTF-8"),
    (b"\x81", "opcode 0x81"),
    (b"i", "opcode 0x69"),
    (b"P", "opcode 0x50"),
    (b"R", "empty stack"),
    (b"h\x05", "recalls value 5"),
    (b"q\x05", "remembers a value of an empty stack"),
    (b"t", "closes a group it never opened"),
    (b"(", "1 open marks"),
    (b"", "ends with 0 values"),
    (b"NN", "ends with 2 values"),
    (b"NNa", "adds items to NoneType"),
    (b"}(Nu", "given 1 keys and values"),
    (b"}]Ns", "a list is used as key"),
    (b"})\x85\x85Ns", "a tuple is used as key"),
    (b"\x80\x07N", "protocol 7 is not read"),
    (b"X\xff\xff\xff\xffab", "truncated: a text needs 4294967295 bytes"),
    (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab", "truncated: a text needs 18446744073709551615 bytes"),
    (b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated: a bytes value needs"),
    (b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated: a frame"),
    (b"\x8b\xff\xff\xff\x7f", "an integer of 2147483647 bytes"),
    (b"\x8b\xff\xff\xff\xff", "an integer of -1 bytes"),
    (b"X\x01\x00\x00\x00\xff", "is not UTF-8"),
    (b"(" * 2000, "groups are nested more than 1000 deep"),
    (b")" + b"\x85" * 2000, "containers are nested more than 1000 deep"),
]


@pytest.mark.parametrize(("body", "message"), FORBIDDEN, ids=[message[:40] for _, message in FORBIDDEN])
def test_programs_that_are_no_data(body: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message.replace("(", r"\(")):
        load_program(body)


BIG = 2**62
TENSORS = [
    (tensor((5,), (1,)), "reaches outside its storage of 4 elements"),
    (tensor((2, 2), (3, 2)), "reaches outside its storage of 4 elements"),
    (tensor((1,), (1,), offset=4), "reaches outside"),
    (tensor((0,), (1,), offset=5), "reaches outside"),
    (tensor((BIG, 4), (0, 1)), "reaches outside"),
    (tensor((2**40, 2**40), (0, 0)), "reaches outside"),
    (tensor((2,), (2**63,)), "reaches outside"),
    (tensor((0, 2**70), (1, 1)), "reaches outside"),
    (tensor((4,), (1,), offset=-1), "malformed, expected tuples of non-negative integers"),
    (tensor((-1,), (1,)), "malformed"),
    (tensor((2,), (-1,), offset=1), "malformed"),
    (tensor((2, 2), (1,)), "has 2 sizes and 1 strides"),
    (tensor((1,) * 65, (1,) * 65), "has 65 sizes"),
    (tensor((4,), (1,), source=b"N"), "built on a NoneType, expected a storage"),
    (tensor((4,), (1,), count=5), "storage '0' holds 16 bytes, expected 20"),
    (tensor((4,), (1,), count=2**62), "storage '0' holds 16 bytes, expected"),
    (tensor((4,), (1,), count=-4), "storage reference is malformed"),
    (tensor((4,), (1,), source=storage(4, key="9")), "entry 'data/9' is missing"),
    (tensor((4,), (1,), source=storage(4, key="../version")), "entry 'data/../version' is missing"),
    (
        b"]" + tensor((4,), (1,)) + b"a" + tensor((4,), (1,), source=storage(4, "IntStorage")) + b"a",
        "used as torch.float32 and as torch.int32",
    ),
    (b"NQ", "refers to something that is no storage: None"),
    (tensor((4,), (1,)).replace(b"\x89", b"K\x01"), "requires_grad is a int"),
    (
        tensor((4,), (1,), source=storage(4, "IntStorage")).replace(b"\x89", b"\x88"),
        "a tensor of torch.int32 requires grad",
    ),
    (tensor((4,), (1,)).replace(b")RtR", b")R" + text("a") + b"NstR"), "carries backward hooks"),
    (name("torch._utils", "_rebuild_parameter") + b"(N\x88NtR", "built from a NoneType, expected a tensor"),
]


@pytest.mark.parametrize(("body", "message"), TENSORS, ids=range(len(TENSORS)))
def test_tensors_outside_their_storage(body: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_program(body)


def test_valid_hand_made_tensors_load() -> None:
    values = struct.pack("<4f", 1, 2, 3, 4)
    assert load_program(tensor((2, 2), (1, 2)), {"0": values}).tolist() == [[1, 3], [2, 4]]
    assert load_program(tensor((0, 3), (3, 1), offset=4), {"0": values}).shape == (0, 3)
    assert load_program(tensor((), (), offset=3), {"0": values}).item() == 4


def test_copies_stay_in_proportion_to_the_file() -> None:
    long = text("a" * 100_000) + b"q\x00" + text("latin1") + b"q\x01]"
    copy = name("_codecs", "encode") + b"(h\x00h\x01tRa"
    with pytest.raises(CheckpointError, match=r"bytes or items would be copied"):
        load_program(b"(" + long + copy * 1000 + b"t")


def test_archives() -> None:
    body = program(tensor((4,), (1,)))
    with pytest.raises(CheckpointError, match=r"entry 'archive/data.pkl' is compressed"):
        rushlight.load(archive(body, {"0": bytes(16)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(CheckpointError, match=r"byte order b'big'"):
        rushlight.load(archive(body, {"0": bytes(16)}, byteorder=b"big"))
    with pytest.raises(CheckpointError, match=r"TorchScript archive"):
        rushlight.load(archive(body, {"0": bytes(16)}, constants_pkl=b""))
    with pytest.warns(UserWarning, match=r"Duplicate name"):
        twice = archive(body, {"0": bytes(16)}, version=b"3")
    with pytest.raises(CheckpointError, match=r"'archive/version' appears twice"):
        rushlight.load(twice)
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("archive/x", b"")
    empty.seek(0)
    with pytest.raises(CheckpointError, match=r"entry 'data.pkl' is missing"):
        rushlight.load(empty)
    with pytest.raises(CheckpointError, match="the archive has no entries"):
        rushlight.load(io.BytesIO(b"PK\x03\x04" + b"PK\x05\x06" + bytes(18)))
    damaged = bytearray(archive(body, {"0": b"0123456789abcdef"}).getvalue())
    damaged[damaged.index(b"0123456789abcdef")] ^= 1
    with pytest.raises(CheckpointError, match=r"has checksum .*the file is damaged"):
        rushlight.load(io.BytesIO(damaged))


def test_overlapping_entries_are_refused() -> None:
    data = bytearray(archive(program(b"N"), {"0": bytes(1000), "1": bytes(1000)}).getvalue())
    names = [data.index(b"archive/data/" + key, data.rindex(b"archive/data.pkl")) for key in (b"0", b"1")]
    first, second = (slice(begin - 4, begin) for begin in names)  # the offsets in the central directory
    data[second] = data[first]
    with pytest.raises(CheckpointError, match=r"reaches past byte"):
        rushlight.load(io.BytesIO(data))


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"PK\x03\x04", b"hello world", b"\x80", b"\x80\x02.", b"\x80\x02K\x01.", bytes(100)]
)
def test_files_that_are_no_checkpoint(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"load: '.*x\.pth': "):
        rushlight.load(path)


def legacy(
    body: bytes, keys: list[str], storages: bytes, little: bool = True, version: int = 1001
) -> io.BytesIO:
    head = [0x1950A86A20F9469CFC6C, version, {"little_endian": little}]
    pickles = b"".join(pickle.dumps(value, 2) for value in head)
    return io.BytesIO(pickles + program(body) + pickle.dumps(keys, 2) + storages)


def legacy_storage(count: int, view: bytes = b"N", kind: str = "FloatStorage") -> bytes:
    return storage(count, kind)[:-2] + view + b"tQ"


def test_legacy_format() -> None:
    data = struct.pack("<q4f", 4, 1, 2, 3, 4)
    whole = tensor((2, 2), (2, 1), source=legacy_storage(4))
    assert rushlight.load(legacy(whole, ["0"], data)).tolist() == [[1, 2], [3, 4]]
    part = tensor((2,), (1,), source=legacy_storage(4, b"(" + text("v") + b"K\x01K\x02t"))
    assert rushlight.load(legacy(part, ["0"], data)).tolist() == [2, 3]
    two = legacy(whole, ["0"], data).getvalue() + legacy(b"K\x07", [], b"").getvalue()
    file = io.BytesIO(two)
    assert rushlight.load(file).tolist() == [[1, 2], [3, 4]]
    assert rushlight.load(file) == 7


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda: legacy(b"N", [], b"", little=False), "big-endian"),
        (lambda: legacy(b"N", [], b"", version=1000), "protocol version 1000, expected 1001"),
        (lambda: legacy(b"N", ["0"], b""), "1 storages are listed, but the object uses 0"),
        (
            lambda: legacy(tensor((4,), (1,), source=legacy_storage(4)), [], bytes(24)),
            "0 storages are listed",
        ),
        (
            lambda: legacy(tensor((4,), (1,), source=legacy_storage(4)), ["0", "0"], bytes(48)),
            "2 storages are listed",
        ),
        (
            lambda: legacy(tensor((4,), (1,), source=legacy_storage(4)), ["0"], bytes(24)),
            "holds 0 elements, expected 4",
        ),
        (
            lambda: legacy(tensor((4,), (1,), source=legacy_storage(4)), ["0"], struct.pack("<qf", 4, 1)),
            "truncated",
        ),
        (
            lambda: legacy(tensor((4,), (1,), source=legacy_storage(2**60)), ["0"], b""),
            "truncated: storages of",
        ),
        (
            lambda: legacy(
                tensor((4,), (1,), source=legacy_storage(4, b"(" + text("v") + b"K\x03K\x02t")),
                ["0"],
                bytes(24),
            ),
            "ends at byte 20 of 16",
        ),
        (
            lambda: legacy(tensor((4,), (1,), source=legacy_storage(4, b"K\x03")), ["0"], bytes(24)),
            "a view of storage '0' is malformed",
        ),
        (lambda: legacy(b"(" + text("module") + b"NNNtQ", [], b""), "the source of a module, which is code"),
        (lambda: legacy(b"NQ", [], b""), "refers to no storage"),
    ],
)
def test_legacy_damage(file: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        rushlight.load(file())  # type: ignore[operator]


def mutated(data: bytes, rng: random.Random) -> bytes:
    result = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    begin = rng.randrange(len(data))
    if kind == 1:
        for _ in range(rng.choice([1, 1, 2, 8])):
            result[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        del result[begin : begin + rng.randrange(1, 64)]
    else:
        result[begin:begin] = rng.choice([rng.randbytes(8), b"\xff" * 8, data[begin : begin + 32]])
    return bytes(result)


def fuzz_seeds() -> list[bytes]:
    buffer = io.BytesIO()
    rushlight.save(sample(rushlight), buffer)
    old = legacy(tensor((2, 2), (2, 1), source=legacy_storage(4)), ["0"], struct.pack("<q4f", 4, 1, 2, 3, 4))
    program_only = archive(
        program(b"(" + tensor((2, 2), (2, 1)) + text("a") + b"}K\x01K\x02st"), {"0": bytes(16)}
    )
    return [buffer.getvalue(), old.getvalue(), program_only.getvalue()]


@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_files_raise_nothing_else_and_take_no_memory(seed: int) -> None:
    rng = random.Random(seed)
    data = fuzz_seeds()[seed]
    tracemalloc.start()
    try:
        for _ in range(700):
            with contextlib.suppress(CheckpointError):
                rushlight.load(io.BytesIO(mutated(data, rng)))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000 + 20 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seed", range(2))
def test_fuzzed_programs_in_intact_archives(seed: int) -> None:
    """The archive's checksums would hide the machine from the mutations above."""
    rng = random.Random(100 + seed)
    buffer = io.BytesIO()
    rushlight.save(sample(rushlight), buffer)
    with zipfile.ZipFile(buffer) as file:
        entries = {info.filename.removeprefix("archive/"): file.read(info) for info in file.infolist()}
    storages = {key.removeprefix("data/"): data for key, data in entries.items() if key.startswith("data/")}
    for _ in range(700):
        with contextlib.suppress(CheckpointError):
            rushlight.load(archive(mutated(entries["data.pkl"], rng), storages))
