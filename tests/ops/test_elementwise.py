"""What rows cannot say of elementwise ops: promotion, aliasing, operators, in-place rules, graph names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch


def test_result_types() -> None:
    half = torch.ones(2, dtype=torch.bfloat16)
    byte = torch.ones(2, dtype=torch.uint8)
    assert (half * 2.5).dtype is torch.bfloat16
    assert (half + torch.ones(2)).dtype is torch.float32
    assert (half + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.bfloat16
    assert (byte + torch.ones(2, dtype=torch.int8)).dtype is torch.int16
    assert (byte + 1).dtype is torch.uint8
    assert (byte + 1.5).dtype is torch.float32
    assert (byte / 2).dtype is torch.float32
    assert (byte // 2).dtype is torch.uint8
    assert (torch.ones(2, dtype=torch.bool) + True).dtype is torch.bool
    assert (torch.ones(2, dtype=torch.bool) * 3).dtype is torch.int64
    assert torch.ones(2, dtype=torch.int64).exp().dtype is torch.float32


def test_equal_and_allclose() -> None:
    a = torch.tensor([1.0, float("nan"), float("inf")])
    assert not torch.equal(a, a)
    assert torch.equal(a[:1], torch.tensor([1.0]))
    assert not torch.equal(torch.ones(2), torch.ones(3))
    assert not torch.allclose(a, a)
    assert torch.allclose(a, a, equal_nan=True)
    assert not torch.allclose(torch.tensor([1.0]), torch.tensor([1.1]))
    assert torch.allclose(torch.tensor([1.0]), torch.tensor([1.1]), atol=0.2)
    with pytest.raises(RuntimeError, match="float32 and float64"):
        torch.allclose(torch.ones(1), torch.ones(1, dtype=torch.float64))


def test_empty() -> None:
    assert torch.empty(2, 3).shape == (2, 3)
    assert torch.empty_like(torch.ones(4, dtype=torch.int32)).dtype is torch.int32


def test_operators_leave_foreign_operands_to_python() -> None:
    class Other:
        def __radd__(self, left: Any) -> str:
            return "other"

    x = torch.ones(2)
    assert x + Other() == "other"
    for call in (lambda: x + "a", lambda: x * None, lambda: x < "a", lambda: x & [1]):
        with pytest.raises(TypeError):
            call()
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True


def test_in_place_returns_the_same_object() -> None:
    x = torch.ones(3)
    y = x
    y += 1
    y *= 2
    assert y is x
    assert x.tolist() == [4.0, 4.0, 4.0]
    assert torch.relu_(x) is x
    assert x.clamp_(max=3).tolist() == [3.0, 3.0, 3.0]


def test_overlapping_operands_are_read_before_they_are_written() -> None:
    x = torch.arange(6.0)
    x[1:].add_(x[:-1])
    assert x.tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 9.0]
    y = torch.arange(9.0).reshape(3, 3)
    y.mul_(y.t())
    assert y.tolist() == [[0.0, 3.0, 12.0], [3.0, 16.0, 35.0], [12.0, 35.0, 64.0]]
    z = torch.ones(3)
    z.add_(z[0])
    assert z.tolist() == [2.0, 2.0, 2.0]


def test_results_keep_the_memory_order_of_the_first_operand() -> None:
    x = torch.ones(3, 4).t()
    assert (x + 1).stride() == (1, 4)
    assert (x + torch.ones(4, 3)).stride() == (1, 4)
    assert (torch.ones(4, 3) + x).stride() == (3, 1)
    assert (torch.ones(4, 3)[:, ::2] * 2).stride() == (2, 1)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: x + 1, "AddBackward0"),
        (lambda x: 1 - x, "RsubBackward1"),
        (lambda x: x * x, "MulBackward0"),
        (lambda x: x / 2, "DivBackward0"),
        (lambda x: 1 / x, "MulBackward0"),
        (lambda x: x**2, "PowBackward0"),
        (lambda x: x**x, "PowBackward1"),
        (lambda x: -x, "NegBackward0"),
        (lambda x: x.relu(), "ReluBackward0"),
        (lambda x: x.log1p(), "Log1PBackward0"),
        (lambda x: x.clamp(0, 1), "ClampBackward1"),
        (lambda x: x.clamp(min=0), "ClampBackward1"),
        (lambda x: x.clamp_min(0), "ClampMinBackward0"),
        (lambda x: 2**x, "PowBackward2"),
        (lambda x: x % x, "RemainderBackward1"),
        (lambda x: (x * 1).zero_(), "ZeroBackward0"),
        (lambda x: torch.where(x > 0, x, 0.0), "WhereBackward0"),
        (lambda x: x.masked_fill(x > 0, 0.0), "MaskedFillBackward0"),
        (lambda x: (x * 1).add_(1), "AddBackward0"),
    ],
)
def test_graph_names(call: Callable[[Any], Any], name: str) -> None:
    x = torch.tensor([0.5, 2.0], requires_grad=True)
    assert call(x).grad_fn.name() == name


def test_saved_tensors_are_the_least() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 1.0
    z = y.exp()  # keeps its result, not y
    y.add_(1)
    z.backward(torch.ones(3))
    w = x * 1.0
    v = w.log()
    w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        v.backward(torch.ones(3))


def test_gradients_of_in_place_ops_that_read_the_old_value() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = (x * 1.0).log_()
    y.backward(torch.ones(2))
    assert torch.allclose(x.grad, torch.tensor([0.5, 1 / 3]))


def test_in_place_refusals() -> None:
    leaf = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.mul_(2)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.ones(1).expand(3).add_(1)
    with pytest.raises(RuntimeError, match="float32 can't be cast"):
        torch.ones(2, dtype=torch.int32).mul_(1.5)


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow"]
)
def test_functions_take_a_number_first(name: str) -> None:
    numbers = torch.tensor([1, 2, 5])
    expected = getattr(torch, name)(torch.tensor(7), numbers)
    result = getattr(torch, name)(7, numbers)
    assert result.dtype == expected.dtype
    assert result.tolist() == expected.tolist()
