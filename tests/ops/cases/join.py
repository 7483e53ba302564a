"""Joining and splitting: several inputs or several outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import ALL, Case, Refusal, real


def joins(
    op: str, shapes: list[tuple[int, ...]], dim: int, reference: Callable[..., Any], **options: Any
) -> Case:
    return Case(
        op,
        tuple(real(*shape) for shape in shapes),
        call=lambda t, *x: getattr(t, op)(list(x), dim),
        reference=lambda *x: reference(x, axis=dim),
        dtypes=ALL,
        label=f"dim{dim}",
        **options,
    )


def splits(op: str, shape: tuple[int, ...], args: tuple[Any, ...], parts: Callable[..., Any]) -> Case:
    label = ",".join(str(a).replace(" ", "") for a in args)
    return Case(op, (real(*shape),), args, reference=parts, dtypes=ALL, label=label, is_view=True)


def _alias(op: str, shapes: list[tuple[int, ...]], reference: Callable[..., Any]) -> Case:
    """A function of a list of tensors."""
    return Case(
        op,
        tuple(real(*shape) for shape in shapes),
        call=lambda t, *x: getattr(t, op)(list(x)),
        reference=lambda *x: reference(x),
        dtypes=ALL,
    )


CASES = [
    _alias("concat", [(2, 3), (4, 3)], np.concatenate),
    _alias("concatenate", [(2, 3), (4, 3)], np.concatenate),
    _alias("hstack", [(2, 3), (2, 1)], np.hstack),
    _alias("hstack", [(2,), (3,)], np.hstack),
    _alias("vstack", [(2, 3), (1, 3)], np.vstack),
    _alias("vstack", [(3,), (3,)], np.vstack),
    splits("split_with_sizes", (2, 5), ([1, 4], 1), lambda x: [x[:, :1], x[:, 1:]]),
    splits("tensor_split", (5, 2), (3,), lambda x: np.array_split(x, 3)),
    splits("tensor_split", (2, 5), ((1, 3), 1), lambda x: np.array_split(x, (1, 3), 1)),
    splits("tensor_split", (2, 3), (5, 1), lambda x: np.array_split(x, 5, 1)),
    joins("cat", [(2, 3), (4, 3)], 0, np.concatenate, large=((203, 301), (105, 301))),
    joins("cat", [(2, 3), (2, 1), (2, 2)], 1, np.concatenate, large=((203, 301), (203, 7), (203, 100))),
    joins("cat", [(2, 3, 2), (2, 1, 2)], -2, np.concatenate),
    joins("cat", [(3,)], 0, np.concatenate),
    joins("cat", [(0, 3), (2, 3)], 0, np.concatenate),
    joins("stack", [(2, 3), (2, 3)], 0, np.stack),
    joins("stack", [(2, 3), (2, 3), (2, 3)], -1, np.stack),
    joins("stack", [(), ()], 0, np.stack),
    Case(
        "cat",
        (real(0), real(2, 3)),
        call=lambda t, a, b: t.cat([a, b], 1),
        reference=lambda a, b: b,
        label="legacy-empty",
        gradgrad=True,
    ),
    Case(
        "cat",
        (real(2, 3),),
        call=lambda t, a: t.cat([a, a], 0),
        reference=lambda a: np.concatenate([a, a]),
        label="same-twice",
    ),
    Case(
        "cat",
        (real(2, 3), real(2, 3, dtype="int64", grad=False)),
        call=lambda t, a, b: t.cat([a, b]),
        label="promotes",
        reference=lambda a, b: np.concatenate([a, b]),
    ),
    splits("split", (5, 2), (2,), lambda x: [x[:2], x[2:4], x[4:]]),
    splits("split", (2, 5), (3, 1), lambda x: [x[:, :3], x[:, 3:]]),
    splits("split", (2, 5), ([1, 0, 4], -1), lambda x: [x[:, :1], x[:, 1:1], x[:, 1:]]),
    splits("chunk", (5, 2), (2,), lambda x: [x[:3], x[3:]]),
    splits("chunk", (2, 5), (4, 1), lambda x: [x[:, :2], x[:, 2:4], x[:, 4:]]),
    splits("chunk", (2, 3), (7, 1), lambda x: [x[:, :1], x[:, 1:2], x[:, 2:]]),
    splits("unbind", (2, 3), (), lambda x: [x[0], x[1]]),
    splits("unbind", (2, 3), (1,), lambda x: [x[:, 0], x[:, 1], x[:, 2]]),
]

REFUSALS = [
    Refusal("cat", "sizes", lambda t: t.cat([t.ones(2, 3), t.ones(2, 4)], 0), RuntimeError, r"3.*4"),
    Refusal("cat", "dims", lambda t: t.cat([t.ones(2, 3), t.ones(3)], 0), RuntimeError, r"2.*1"),
    Refusal("cat", "none", lambda t: t.cat([]), ValueError, "(?i)empty|non-empty"),
    Refusal("cat", "dim", lambda t: t.cat([t.ones(2, 3)], 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("cat", "0d", lambda t: t.cat([t.tensor(1.0), t.tensor(2.0)]), RuntimeError, "(?i)zero-dim|0-d"),
    Refusal("stack", "sizes", lambda t: t.stack([t.ones(2), t.ones(3)]), RuntimeError, r"2.*3"),
    Refusal("stack", "none", lambda t: t.stack([]), RuntimeError, "(?i)empty|non-empty"),
    Refusal("stack", "dim", lambda t: t.stack([t.ones(2)], 2), IndexError, r"\[-2, 1\].*2"),
    Refusal("split", "sum", lambda t: t.ones(5).split([2, 2]), RuntimeError, r"5.*4"),
    Refusal("split", "negative", lambda t: t.ones(5).split(-1), RuntimeError, "-1|non-negative"),
    Refusal("split", "dim", lambda t: t.ones(5).split(2, 1), IndexError, r"\[-1, 0\].*1"),
    Refusal("chunk", "count", lambda t: t.ones(5).chunk(0), RuntimeError, "0"),
    Refusal("unbind", "dim", lambda t: t.ones(5).unbind(1), IndexError, r"\[-1, 0\].*1"),
]
