"""Values, shapes and dtypes of every row against its NumPy reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import rushlight
from tests.ops.case import Case, is_float
from tests.ops.cases import CASES
from tests.ops.run import (
    LAYOUTS,
    TOLERANCE,
    assert_close,
    constant_rows,
    dtype_name,
    forward_backward,
    make_inputs,
    to_numpy,
)
from tests.ops.select import parameters, with_dtypes


def inputs_in_dtype(case: Case, dtype: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What the tensors really hold: the drawn values after rounding to the dtype under test."""
    return [to_numpy(tensor) for tensor in make_inputs(rushlight, case, arrays, dtype)]


@pytest.mark.parametrize(("case", "dtype"), with_dtypes(row for row in CASES if row.reference))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, about logs of zero and empty means
def test_value(case: Case, dtype: str) -> None:
    arrays = case.arrays(dtype)
    held = inputs_in_dtype(case, dtype, arrays)
    if case.result == "float":  # NumPy would compute on int8 in float16
        held = [a.astype(np.float64) for a in held]
    expected = case.expected(held)
    outputs = case.run(rushlight, *make_inputs(rushlight, case, arrays, dtype))
    assert len(outputs) == len(expected)
    dtypes = case.result_dtypes(dtype, len(expected))
    for position, (got, want, name) in enumerate(zip(outputs, expected, dtypes, strict=True)):
        what = f"{case.id} output {position}"
        assert dtype_name(got) == name, what
        precision = (
            dtype if is_float(dtype) and is_float(name) and TOLERANCE[dtype] > TOLERANCE[name] else name
        )
        values = to_numpy(got)
        assert_close(values, np.asarray(want).astype(values.dtype), precision, case.rtol, what)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", parameters(CASES))
def test_layout(case: Case, layout: str) -> None:
    """Strided inputs and strided incoming gradients change neither results nor gradients."""
    if layout == "expanded" and any(i.distinct or i.values is not None for i in case.inputs):
        pytest.skip("the values must differ")
    dtype = case.dtypes[0]
    arrays = case.arrays(dtype)
    if layout == "expanded":
        arrays = constant_rows(arrays)
    plain, plain_grads = forward_backward(rushlight, case, make_inputs(rushlight, case, arrays, dtype))
    laid, laid_grads = forward_backward(
        rushlight, case, make_inputs(rushlight, case, arrays, dtype, layout), layout
    )
    names = [dtype_name(t) for t in (*plain, *plain_grads)]
    if layout == "expanded":  # the gradients sent back are constant along the first dimension here
        _, plain_grads = _with_constant_gradient(case, arrays, dtype)
    for got, want, name in zip((*laid, *laid_grads), (*plain, *plain_grads), names, strict=True):
        assert dtype_name(got) == name
        assert_close(to_numpy(got), to_numpy(want), name, 4 * case.rtol, f"{case.id} {layout}")


def _with_constant_gradient(case: Case, arrays: list[np.ndarray], dtype: str) -> tuple[object, list[object]]:
    return forward_backward(rushlight, case, make_inputs(rushlight, case, arrays, dtype), "constant")


@pytest.fixture
def threads() -> Iterator[None]:
    before = rushlight.get_num_threads()
    yield
    rushlight.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("case", parameters(CASES, lambda row: bool(row.large)))
def test_threads_do_not_change_bits(case: Case) -> None:
    dtype = case.dtypes[0]
    arrays = case.arrays(dtype, large=True)
    results = []
    for count in (1, 3):
        rushlight.set_num_threads(count)
        outputs, grads = forward_backward(rushlight, case, make_inputs(rushlight, case, arrays, dtype))
        results.append([to_numpy(t) for t in (*outputs, *grads)])
    for one, three in zip(*results, strict=True):
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("case", parameters(CASES, lambda row: row.in_place))
def test_in_place_twin(case: Case) -> None:
    """x.op_() returns x, with the value and the gradients of op."""
    dtype = case.dtypes[0]
    arrays = case.arrays(dtype)
    if tuple(arrays[0].shape) != np.broadcast_shapes(*(a.shape for a in arrays)):
        pytest.skip("the result is larger than the first input")
    out_of_place, grads = forward_backward(rushlight, case, make_inputs(rushlight, case, arrays, dtype))

    def call(torch: object, x: object, *others: object) -> object:
        y = x.clone()  # type: ignore[attr-defined]
        result = getattr(y, case.name + "_")(*others, *case.args, **case.kwargs)
        assert result is y
        return result

    twin = Case(case.op, case.inputs, call=call, no_reference="compared with the op", grad=case.grad)
    in_place, twin_grads = forward_backward(rushlight, twin, make_inputs(rushlight, case, arrays, dtype))
    for got, want in zip((*in_place, *twin_grads), (*out_of_place, *grads), strict=True):
        assert_close(to_numpy(got), to_numpy(want), dtype_name(want), 1, case.id)


@pytest.mark.parametrize("case", parameters(CASES, lambda row: row.call is None and row.op == row.name))
def test_method_form(case: Case) -> None:
    """Where the tensor has a method of this name, it is the same op."""
    if not hasattr(rushlight.Tensor, case.name):
        pytest.skip("no method")
    dtype = case.dtypes[0]
    tensors = make_inputs(rushlight, case, case.arrays(dtype), dtype)
    method = Case(
        "Tensor." + case.name, case.inputs, case.args, case.kwargs, no_reference="compared with the function"
    )
    for got, want in zip(method.run(rushlight, *tensors), case.run(rushlight, *tensors), strict=True):
        np.testing.assert_array_equal(to_numpy(got), to_numpy(want))


@pytest.mark.parametrize("case", parameters(CASES, lambda row: row.is_view))
def test_view_shares_storage(case: Case) -> None:
    dtype = case.dtypes[0]
    tensors = make_inputs(rushlight, case, case.arrays(dtype), dtype)
    outputs = case.run(rushlight, *tensors)
    tensors[0].fill_(1)
    tensors[0].sub_(tensors[0])
    assert all(not np.any(to_numpy(output)) for output in outputs), (
        "what is written to the base does not show"
    )
