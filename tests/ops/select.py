"""Turns rows into pytest parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

import rushlight
from tests.ops.case import Case, Refusal, exists
from tests.ops.pending import PENDING


def waits(op: str) -> bool:
    return op in PENDING and not exists(rushlight, op)


def parameters(rows: Iterable[Case | Refusal], keep: Callable[[Any], bool] = lambda row: True) -> list[Any]:
    """One parameter a row; rows of pending ops are marked as skipped, so that they stay visible."""
    return [
        pytest.param(row, id=row.id, marks=[pytest.mark.skip(reason="pending")] if waits(row.op) else [])
        for row in rows
        if keep(row)
    ]


def with_dtypes(rows: Iterable[Case]) -> list[Any]:
    """One parameter for each row and dtype."""
    return [
        pytest.param(
            row,
            dtype,
            id=f"{row.id}-{dtype}",
            marks=[pytest.mark.skip(reason="pending")] if waits(row.op) else [],
        )
        for row in rows
        for dtype in row.dtypes
    ]
