"""The table is complete: every op has a case, every case has an op."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import pytest

import rushlight
from tests.ops.case import exists
from tests.ops.cases import CASES, REFUSALS

# Ops that have no rows because another file tests them: name -> where.
ELSEWHERE: dict[str, str] = {
    "sgd_step_": "tests/ops/test_sgd.py",
    "conv2d_fused": "tests/ops/test_conv_fused.py",
    **dict.fromkeys(("allclose", "equal", "relu_", "empty", "empty_like"), "tests/ops/test_elementwise.py"),
    **dict.fromkeys(
        ("bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn"),
        "tests/ops/test_random.py",
    ),
    **dict.fromkeys(("randn_like", "randperm"), "tests/ops/test_random.py"),
}


@pytest.mark.parametrize("op", sorted({row.op for row in (*CASES, *REFUSALS)}))
def test_the_op_exists(op: str) -> None:
    assert exists(rushlight, op), f"the table has rows for {op}, which rushlight does not have"


def test_ids_are_unique() -> None:
    for rows in (CASES, REFUSALS):
        repeated = [name for name, count in Counter(row.id for row in rows).items() if count > 1]
        assert not repeated


def public_functions(module: ModuleType) -> set[str]:
    return {name for name, value in vars(module).items() if not name.startswith("_") and callable(value)}


def test_every_op_has_a_case() -> None:
    composed = {
        name
        for name in public_functions(rushlight.nn.functional)
        if getattr(getattr(rushlight.nn.functional, name), "__module__", "").startswith("rushlight.nn")
    }
    covered = {row.name for row in CASES} | set(ELSEWHERE)
    missing = sorted((public_functions(rushlight._core.ops) | composed) - covered)
    assert not missing, f"ops without a row in tests/ops/cases: {missing}"


def test_every_differentiable_row_says_why_second_derivatives_are_left_out() -> None:
    assert [
        row.id for row in CASES if row.grad and row.gradgrad is not True and not isinstance(row.gradgrad, str)
    ] == []
