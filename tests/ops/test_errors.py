"""Bad calls raise the promised class with the values in the message."""

from __future__ import annotations

import pytest

import rushlight
from tests.helpers import check_raises
from tests.ops.case import Refusal
from tests.ops.cases import REFUSALS
from tests.ops.select import parameters


@pytest.mark.parametrize("refusal", parameters(REFUSALS))
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_refusal(refusal: Refusal) -> None:
    check_raises(lambda: refusal.call(rushlight), refusal.exception, refusal.match)


def test_a_zero_dimensional_tensor_has_no_sizes() -> None:
    scalar = rushlight.tensor(1.5)
    with pytest.raises(IndexError, match=r"^Dimension specified as 0 but tensor has no dimensions$"):
        scalar.size(0)
    assert rushlight.repeat_interleave(scalar, 3, dim=0).tolist() == [1.5, 1.5, 1.5]
    with pytest.raises(IndexError, match="Dimension out of range"):
        rushlight.repeat_interleave(scalar, 3, dim=1)
    assert rushlight.hstack([scalar, scalar]).tolist() == [1.5, 1.5]


def test_squeeze_refuses_a_dimension_named_twice() -> None:
    with pytest.raises(RuntimeError, match="dim 1 appears multiple times"):
        rushlight.ones(2, 1, 3).squeeze((1, -2))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int8", 300),
        ("int8", 1e10),
        ("uint8", -300),
        ("int32", 2**40),
        ("int64", float("nan")),
        ("int64", 2.0**63),
    ],
)
def test_a_number_that_an_integer_type_cannot_hold_is_refused(dtype: str, value: float) -> None:
    kind = getattr(rushlight, dtype)
    tensor = rushlight.tensor([1, 2], dtype=kind)
    mask = tensor == 1

    def assign() -> None:
        tensor[0] = value

    for call in (
        lambda: rushlight.full((2,), value, dtype=kind),
        lambda: tensor.fill_(value),
        lambda: tensor.masked_fill(mask, value),
        lambda: tensor.masked_fill_(mask, value),
        assign,
    ):
        check_raises(call, RuntimeError, f"cannot be converted to type {dtype} without overflow: got")
    assert tensor.tolist() == [1, 2]
    assert rushlight.full((1,), -1, dtype=rushlight.uint8).tolist() == [255]  # as PyTorch
