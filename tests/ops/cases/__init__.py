"""The op table, one module a family: a new op adds its rows to its family's CASES and REFUSALS."""

from __future__ import annotations

from tests.ops.case import Case, Refusal
from tests.ops.cases import (
    activation,
    arithmetic,
    conv,
    creation,
    gather,
    indexing,
    join,
    loss,
    math,
    matmul,
    norm,
    pool,
    reduce,
    shape,
    sort,
)

FAMILIES = (
    creation,
    arithmetic,
    math,
    activation,
    reduce,
    matmul,
    shape,
    join,
    indexing,
    gather,
    sort,
    conv,
    pool,
    norm,
    loss,
)

CASES: tuple[Case, ...] = tuple(case for family in FAMILIES for case in family.CASES)
REFUSALS: tuple[Refusal, ...] = tuple(refusal for family in FAMILIES for refusal in family.REFUSALS)
