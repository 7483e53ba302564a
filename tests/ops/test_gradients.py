"""First and second derivatives of every row against central differences in float64."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
from tests.ops.case import Case
from tests.ops.cases import CASES
from tests.ops.run import make_inputs
from tests.ops.select import parameters


def differentiable(case: Case) -> tuple[Any, list[Any]]:
    """The row as a function of its differentiable inputs, with the others fixed."""
    tensors = make_inputs(rushlight, case, case.arrays("float64"), "float64")
    places = [
        n
        for n, (t, spec) in enumerate(zip(tensors, case.inputs, strict=True))
        if spec.grad and t.is_floating_point()
    ]

    def call(*wanted: Any) -> Any:
        arguments = list(tensors)
        for place, tensor in zip(places, wanted, strict=True):
            arguments[place] = tensor
        outputs = tuple(o for o in case.run(rushlight, *arguments) if o.is_floating_point())
        return outputs[0] if len(outputs) == 1 else outputs

    return call, [tensors[place].requires_grad_(True) for place in places]


@pytest.mark.parametrize("case", parameters(CASES, lambda row: row.grad))
def test_gradcheck(case: Case) -> None:
    call, inputs = differentiable(case)
    assert rushlight.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("case", parameters(CASES, lambda row: row.grad and row.gradgrad is True))
def test_gradgradcheck(case: Case) -> None:
    call, inputs = differentiable(case)
    assert rushlight.autograd.gradgradcheck(call, inputs)
