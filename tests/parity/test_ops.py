"""Every row of the op table against PyTorch: values, gradients, dtypes, strides, exception types."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import rushlight
from tests.ops.case import ALL, Case, Refusal, exists
from tests.ops.cases import CASES, REFUSALS
from tests.ops.run import assert_close, dtype_name, forward_backward, make_inputs, make_tensor, to_numpy
from tests.ops.select import parameters, with_dtypes

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's own cost
@pytest.mark.parametrize(("case", "dtype"), with_dtypes(CASES))
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_like_pytorch(case: Case, dtype: str) -> None:
    """Outputs, gradients, dtypes and, for plain inputs, strides."""
    arrays = case.arrays(dtype)
    ours, our_grads = forward_backward(rushlight, case, make_inputs(rushlight, case, arrays, dtype))
    theirs, their_grads = forward_backward(torch, case, make_inputs(torch, case, arrays, dtype))
    assert len(ours) == len(theirs)
    for got, want in zip((*ours, *our_grads), (*theirs, *their_grads), strict=True):
        assert dtype_name(got) == dtype_name(want)
        # PyTorch rounds some constants to float32 in its float64 formulas; test_values.py is stricter.
        scale = 1e4 if dtype_name(want) == "float64" else 4 * case.rtol
        assert_close(to_numpy(got), to_numpy(want), dtype_name(want), scale, case.id)
    for got, want in zip(ours, theirs, strict=True):
        assert got.requires_grad == want.requires_grad
        assert case.op in OWN_STRIDES or strides(got) == strides(want)


# nonzero: PyTorch returns the transpose of a row-major matrix, which nothing promises.
OWN_STRIDES = {"nonzero"}


def strides(tensor: Any) -> list[int]:
    """Those that matter: of dimensions with several elements, in a tensor that has elements."""
    sizes = tuple(tensor.shape) if tensor.numel() else ()
    return [step for step, size in zip(tensor.stride(), sizes, strict=False) if size > 1]


@pytest.mark.parametrize("refusal", parameters(REFUSALS, lambda row: row.like_torch))
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_refusal_like_pytorch(refusal: Refusal) -> None:
    with pytest.raises(refusal.exception) as caught:
        refusal.call(torch)
    assert caught.type is refusal.exception


PROMOTING = ("add", "sub", "mul", "div", "pow", "maximum", "eq", "lt", "where", "remainder", "atan2")


def _outcome(namespace: Any, op: str, first: Any, second: Any) -> str:
    """Dtype name of the result, or the class of the exception."""
    call = (
        (lambda a, b: namespace.where(namespace.tensor([True, False]), a, b))
        if op == "where"
        else getattr(namespace, op)
    )
    try:
        return dtype_name(call(first, second))
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return type(error).__name__


@pytest.mark.parametrize("op", [op for op in PROMOTING if exists(rushlight, op)])
def test_dtype_promotion(op: str) -> None:
    """Every pair of dtypes, with dimensioned and 0-d tensors, and every kind of Python number."""
    values = np.array([1.0, 2.0])
    differ = []
    for first, second in itertools.product(ALL, ALL):
        for flat in (values, values[0]):
            got, want = (
                _outcome(t, op, make_tensor(t, values, first), make_tensor(t, np.asarray(flat), second))
                for t in (rushlight, torch)
            )
            if got != want:
                differ.append((first, second, np.ndim(flat), got, want))
    for first, number in itertools.product(ALL, (True, 2, 2.5)):
        got, want = (_outcome(t, op, make_tensor(t, values, first), number) for t in (rushlight, torch))
        if got != want and want != "TypeError":  # some PyTorch functions take no numbers; ours all do
            differ.append((first, number, "number", got, want))
    assert not differ, f"(first, second, dims of the second, ours, PyTorch's): {differ}"
