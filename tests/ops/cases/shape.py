"""Views and rearrangements of one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, Case, Refusal, real

T = "Tensor."


def moves(
    op: str, shape: tuple[int, ...], args: tuple[Any, ...], reference: Callable[..., Any], **options: Any
) -> Case:
    """A row that only moves values: exact in every dtype."""
    label = options.pop("label", ",".join(str(a).replace(" ", "") for a in args))
    return Case(op, (real(*shape),), args, reference=reference, dtypes=ALL, label=label, **options)


VIEWS = [
    moves("reshape", (2, 6), ((3, 4),), lambda x: x.reshape(3, 4)),
    moves("reshape", (2, 6), ((-1,),), lambda x: x.reshape(-1)),
    moves("reshape", (2, 3, 4), ((6, -1),), lambda x: x.reshape(6, 4)),
    moves("reshape", (), ((1, 1),), lambda x: x.reshape(1, 1)),
    moves("reshape", (0, 3), ((3, 0, 2),), lambda x: x.reshape(3, 0, 2)),
    Case(T + "reshape", (real(2, 6),), (3, 4), reference=lambda x: x.reshape(3, 4), label="loose-sizes"),
    Case(
        T + "view",
        (real(2, 6),),
        call=lambda t, x: x.contiguous().view(3, -1),
        reference=lambda x: x.reshape(3, 4),
    ),
    Case(
        T + "view_as",
        (real(2, 6), real(3, 4, grad=False)),
        call=lambda t, x, y: x.contiguous().view_as(y),
        reference=lambda x, y: x.reshape(3, 4),
    ),
    Case(T + "reshape_as", (real(2, 6), real(3, 4, grad=False)), reference=lambda x, y: x.reshape(3, 4)),
    moves("flatten", (2, 3, 4), (), lambda x: x.reshape(-1), label="all"),
    moves("flatten", (2, 3, 4), (1,), lambda x: x.reshape(2, 12)),
    moves("flatten", (2, 3, 4), (0, 1), lambda x: x.reshape(6, 4)),
    moves("flatten", (2, 3, 4), (-2, -1), lambda x: x.reshape(2, 12)),
    moves("flatten", (), (), lambda x: x.reshape(1), label="0d"),
    moves("unflatten", (2, 6), (1, (2, -1)), lambda x: x.reshape(2, 2, 3)),
    moves("permute", (2, 3, 4), ((2, 0, 1),), lambda x: x.transpose(2, 0, 1), is_view=True),
    moves("permute", (2, 3, 4), ((-1, 1, 0),), lambda x: x.transpose(2, 1, 0), is_view=True),
    Case(
        T + "permute",
        (real(2, 3, 4),),
        (1, 2, 0),
        reference=lambda x: x.transpose(1, 2, 0),
        label="loose-dims",
        is_view=True,
    ),
    moves("transpose", (2, 3, 4), (0, -1), lambda x: x.swapaxes(0, 2), is_view=True),
    moves("transpose", (), (0, -1), lambda x: x, is_view=True),
    moves("movedim", (2, 3, 4), (0, 2), lambda x: np.moveaxis(x, 0, 2), is_view=True),
    moves("movedim", (2, 3, 4), ((0, 1), (1, 2)), lambda x: np.moveaxis(x, (0, 1), (1, 2)), is_view=True),
    moves("moveaxis", (2, 3, 4), (-1, 0), lambda x: np.moveaxis(x, -1, 0), is_view=True),
    moves("swapaxes", (2, 3, 4), (0, 2), lambda x: x.swapaxes(0, 2), is_view=True),
    moves("swapdims", (2, 3, 4), (1, 2), lambda x: x.swapaxes(1, 2), is_view=True),
    moves("ravel", (2, 3), (), lambda x: x.reshape(-1), label="2d"),
    moves("ravel", (), (), lambda x: x.reshape(1), label="0d"),
    *(
        Case(
            "as_strided",
            (real(3, 4),),
            call=lambda t, x, s=size, by=stride, o=offset: t.as_strided(x.contiguous(), s, by, o),
            reference=lambda x, s=size, by=stride, o=offset: np.lib.stride_tricks.as_strided(
                np.ascontiguousarray(x).reshape(-1)[o:], s, [step * x.itemsize for step in by]
            ),
            label=f"{size}{stride}{offset}".replace(" ", ""),
        )
        for size, stride, offset in (
            ((2, 2), (4, 1), 1),
            ((3, 3), (1, 1), 2),
            ((4,), (0,), 5),
            ((0, 2), (1, 1), 0),
        )
    ),
    moves("t", (2, 3), (), lambda x: x.T, label="2d", is_view=True),
    moves("t", (3,), (), lambda x: x, label="1d", is_view=True),
    Case(T + "T", (real(2, 3),), call=lambda t, x: x.T, reference=lambda x: x.T, is_view=True),
    Case(
        T + "mT", (real(2, 3, 4),), call=lambda t, x: x.mT, reference=lambda x: x.swapaxes(1, 2), is_view=True
    ),
    moves("squeeze", (1, 3, 1), (), lambda x: x.reshape(3), label="all", is_view=True),
    moves("squeeze", (1, 3, 1), (0,), lambda x: x.reshape(3, 1), is_view=True),
    moves("squeeze", (1, 3, 1), (1,), lambda x: x, is_view=True),
    moves("squeeze", (1, 3, 1), ((0, -1),), lambda x: x.reshape(3), is_view=True),
    moves("squeeze", (), (0,), lambda x: x, is_view=True),
    moves("unsqueeze", (2, 3), (0,), lambda x: x[None], is_view=True),
    moves("unsqueeze", (2, 3), (-1,), lambda x: x[..., None], is_view=True),
    moves("unsqueeze", (), (0,), lambda x: x[None], is_view=True),
    moves(T + "expand", (2, 1), (2, 3), lambda x: np.broadcast_to(x, (2, 3)), is_view=True),
    moves(T + "expand", (3,), (2, -1), lambda x: np.broadcast_to(x, (2, 3)), is_view=True),
    moves(T + "expand", (), (2, 2), lambda x: np.broadcast_to(x, (2, 2)), is_view=True),
    moves(T + "expand", (1, 3), (0, 3), lambda x: np.broadcast_to(x, (0, 3)), is_view=True),
    Case(
        T + "expand_as",
        (real(2, 1), real(2, 3, grad=False)),
        reference=lambda x, y: np.broadcast_to(x, (2, 3)),
        is_view=True,
    ),
    moves("broadcast_to", (2, 1), ((3, 2, 4),), lambda x: np.broadcast_to(x, (3, 2, 4)), is_view=True),
    moves("select", (2, 3, 4), (1, 2), lambda x: x[:, 2], is_view=True),
    moves("select", (2, 3, 4), (-1, -2), lambda x: x[..., -2], is_view=True),
    moves("narrow", (2, 5), (1, 1, 3), lambda x: x[:, 1:4], is_view=True),
    moves("narrow", (2, 5), (1, -2, 2), lambda x: x[:, 3:], is_view=True),
    moves("narrow", (2, 5), (0, 1, 0), lambda x: x[1:1], is_view=True),
    moves("diagonal", (3, 4), (), lambda x: np.diagonal(x).copy(), label="main", is_view=True),
    moves("diagonal", (2, 3, 4), (1, 0, 2), lambda x: np.diagonal(x, 1, 0, 2).copy(), is_view=True),
]

MOVES = [
    moves("flip", (2, 3), ((0,),), lambda x: np.flip(x, 0)),
    moves("flip", (2, 3, 4), ((0, -1),), lambda x: np.flip(x, (0, 2)), large=((65, 130, 33),)),
    moves("flip", (0, 3), ((1,),), lambda x: x),
    moves("fliplr", (2, 3), (), np.fliplr, label="2d"),
    moves("flipud", (3,), (), np.flipud, label="1d"),
    moves("roll", (2, 3), (1,), lambda x: np.roll(x, 1)),
    moves("roll", (2, 5), (-2, 1), lambda x: np.roll(x, -2, 1)),
    moves("roll", (3, 5), ((1, 7), (0, 1)), lambda x: np.roll(x, (1, 7), (0, 1))),
    moves(T + "repeat", (2, 3), (2, 2), lambda x: np.tile(x, (2, 2))),
    moves(T + "repeat", (3,), (2, 1, 2), lambda x: np.tile(x, (2, 1, 2))),
    moves(T + "repeat", (3,), (0, 1), lambda x: np.tile(x, (0, 1))),
    moves("tile", (2, 3), ((2,),), lambda x: np.tile(x, 2)),
    moves("repeat_interleave", (2, 3), (2, 1), lambda x: np.repeat(x, 2, 1)),
    moves("repeat_interleave", (2, 3), (2,), lambda x: np.repeat(x, 2)),
    moves("tril", (3, 4), (), np.tril, label="main"),
    moves("triu", (2, 3, 4), (1,), lambda x: np.triu(x, 1)),
    moves("clone", (2, 3), (), lambda x: x, label=""),
    Case(T + "contiguous", (real(2, 3),), call=lambda t, x: x.t().contiguous(), reference=lambda x: x.T),
    Case(
        T + "to",
        (real(2, 3),),
        call=lambda t, x: x.to(t.float64),
        reference=lambda x: x,
        dtypes=ALL,
        result="float64",
        label="float64",
    ),
    Case(
        T + "to",
        (real(2, 3),),
        call=lambda t, x: x.to(t.float32).to(t.float64),
        reference=np.float32,
        dtypes=("float64",),
        result="float64",
        grad=False,
        label="round-trip",
    ),
    Case(
        T + "to",
        (real(4, 3, low=-100, high=100),),
        call=lambda t, x: x.to(t.int32),
        reference=np.trunc,
        grad=False,
        dtypes=("float32", "float64"),
        result="int32",
        label="int32",
    ),
    Case(
        T + "to",
        (real(4, 3),),
        call=lambda t, x: x.to(t.bool),
        reference=lambda x: x != 0,
        grad=False,
        dtypes=ALL,
        result="bool",
        label="bool",
    ),
    Case(
        "nn.functional.pad",
        (real(2, 3),),
        ((1, 2),),
        reference=lambda x: np.pad(x, ((0, 0), (1, 2))),
        label="last",
    ),
    Case(
        "nn.functional.pad",
        (real(2, 3, 4),),
        ((1, 0, 0, 2),),
        {"value": 1.5},
        label="two",
        reference=lambda x: np.pad(x, ((0, 0), (0, 2), (1, 0)), constant_values=1.5),
    ),
    Case("nn.functional.pad", (real(2, 6),), ((-1, -2),), reference=lambda x: x[:, 1:-2], label="negative"),
    Case(
        "nn.functional.pad",
        (real(2, 6),),
        ((-1, 2, 1, 0),),
        label="mixed",
        reference=lambda x: np.pad(x[:, 1:], ((1, 0), (0, 2))),
    ),
]

CASES = VIEWS + MOVES

REFUSALS = [
    Refusal("reshape", "size", lambda t: t.ones(2, 3).reshape(4, 2), RuntimeError, r"4, 2.*6"),
    Refusal("reshape", "two-unknown", lambda t: t.ones(2, 3).reshape(-1, -1), RuntimeError, "-1|one"),
    Refusal(
        "reshape", "unknown-empty", lambda t: t.ones(0, 3).reshape(-1, 0), RuntimeError, "-1|unspecified"
    ),
    Refusal(T + "view", "stride", lambda t: t.ones(2, 3).t().view(6), RuntimeError, "(?i)reshape"),
    Refusal(T + "view", "size", lambda t: t.ones(2, 3).view(5), RuntimeError, r"5.*6"),
    Refusal("permute", "count", lambda t: t.ones(2, 3).permute(0), RuntimeError, "2"),
    Refusal(
        "permute", "repeated", lambda t: t.ones(2, 3).permute(0, 0), RuntimeError, "(?i)repeat|duplicate"
    ),
    Refusal("permute", "dim", lambda t: t.ones(2, 3).permute(0, 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("transpose", "dim", lambda t: t.ones(2, 3).transpose(0, 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("t", "3d", lambda t: t.ones(2, 3, 4).t(), RuntimeError, "3"),
    Refusal("squeeze", "dim", lambda t: t.ones(2, 3).squeeze(2), IndexError, r"\[-2, 1\].*2"),
    Refusal("unsqueeze", "dim", lambda t: t.ones(2, 3).unsqueeze(3), IndexError, r"\[-3, 2\].*3"),
    Refusal("flatten", "order", lambda t: t.ones(2, 3).flatten(1, 0), RuntimeError, "start_dim"),
    Refusal(T + "expand", "size", lambda t: t.ones(2, 3).expand(2, 4), RuntimeError, r"4.*3"),
    Refusal(T + "expand", "fewer", lambda t: t.ones(2, 3).expand(3), RuntimeError, r"1.*2|2.*1"),
    Refusal("select", "index", lambda t: t.ones(2, 3).select(1, 3), IndexError, "3"),
    Refusal("select", "0d", lambda t: t.tensor(1.0).select(0, 0), IndexError, "0-dim|0-d"),
    Refusal("narrow", "length", lambda t: t.ones(2, 3).narrow(1, 1, 3), RuntimeError, r"1.*3"),
    Refusal("narrow", "start", lambda t: t.ones(2, 3).narrow(1, 4, 0), IndexError, "4"),
    Refusal("flip", "dim", lambda t: t.ones(2, 3).flip(2), IndexError, r"\[-2, 1\].*2"),
    Refusal("flip", "dim-twice", lambda t: t.ones(2, 3).flip(0, 0), RuntimeError, "dim 0"),
    Refusal("roll", "counts", lambda t: t.roll(t.ones(2, 3), (1, 2), (0,)), RuntimeError, "shifts"),
    Refusal(T + "repeat", "fewer", lambda t: t.ones(2, 3).repeat(2), RuntimeError, "dim"),
    Refusal(
        "nn.functional.pad",
        "odd",
        lambda t: t.nn.functional.pad(t.ones(2, 3), (1, 1, 1)),
        RuntimeError,
        r"divisible by 2.*1, 1, 1",
    ),
    Refusal(
        "nn.functional.pad",
        "too-many",
        lambda t: t.nn.functional.pad(t.ones(3), (1, 1, 1, 1)),
        RuntimeError,
        "4|2",
    ),
    Refusal(
        "nn.functional.pad",
        "negative-result",
        lambda t: t.nn.functional.pad(t.ones(2, 3), (-2, -2)),
        RuntimeError,
        "-1|negative",
    ),
    Refusal(
        "nn.functional.pad",
        "mode",
        lambda t: t.nn.functional.pad(t.ones(2, 3), (1, 1), mode="mirror"),
        NotImplementedError,
        "(?i)mode|mirror",
    ),
]
