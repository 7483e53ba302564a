"""Turns rows into pytest parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.ops.case import Case, Refusal


def parameters(rows: Iterable[Case | Refusal], keep: Callable[[Any], bool] = lambda row: True) -> list[Any]:
    """One parameter a row."""
    return [pytest.param(row, id=row.id) for row in rows if keep(row)]


def with_dtypes(rows: Iterable[Case]) -> list[Any]:
    """One parameter for each row and dtype."""
    return [pytest.param(row, dtype, id=f"{row.id}-{dtype}") for row in rows for dtype in row.dtypes]
