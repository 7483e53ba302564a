"""gradcheck and gradgradcheck find what is wrong and pass what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.gradcheck import GradcheckError
from tests.helpers import check_raises

Tensor = torch.Tensor


def leaf(*values: float, dtype: Any = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def function(value: Callable[..., Any], gradient: Callable[..., Any]) -> Any:
    """A function of one tensor with this backward(x, grad)."""

    class Made(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            ctx.save_for_backward(x)
            return value(x)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return gradient(ctx.saved_tensors[0], *grads)

    return Made.apply


@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_gradients_pass(fast_mode: bool) -> None:
    a, b = leaf(0.5, 1.0, -2.0), leaf(2.0, 3.0, 0.1)
    assert gradcheck(lambda x, y: (x * y).exp() + x, (a, b), fast_mode=fast_mode)
    assert gradgradcheck(lambda x, y: (x * y).exp() + x, (a, b), fast_mode=fast_mode)
    assert gradcheck(lambda x: (x.sum(), x * x, "text"), a, fast_mode=fast_mode)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_a_wrong_gradient_is_found(fast_mode: bool) -> None:
    wrong = function(lambda x: x * x, lambda x, g: 3 * x * g)
    a = leaf(1.0, 2.0)
    text = str(
        check_raises(lambda: gradcheck(wrong, a, fast_mode=fast_mode), GradcheckError, "Jacobian mismatch")
    )
    assert "output 0 with respect to input 0" in text
    assert "numerical:" in text
    assert "analytical:" in text
    assert gradcheck(wrong, a, raise_exception=False, fast_mode=fast_mode) is False


def test_the_message_names_output_and_input() -> None:
    wrong = function(lambda x: x * x, lambda x, g: 3 * x * g)

    def fn(x: Tensor, factor: float, y: Tensor) -> tuple[Tensor, Tensor]:
        return x * factor, wrong(y)

    check_raises(
        lambda: gradcheck(fn, (leaf(1.0), 2.0, leaf(3.0))),
        GradcheckError,
        "(?s)output 1 with respect to input 2.*6.*9",
    )


def test_a_wrong_second_derivative_is_found() -> None:
    class Detached(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return 3 * ctx.saved_tensors[0].detach() ** 2 * grad

    assert gradcheck(Detached.apply, leaf(1.0, 2.0))
    check_raises(lambda: gradgradcheck(Detached.apply, leaf(1.0, 2.0)), GradcheckError, "Jacobian mismatch")


def test_an_unstable_backward_is_found() -> None:
    count = [0.0]

    def unstable(x: Tensor, grad: Tensor) -> Tensor:
        count[0] += 1e-9
        return 2 * x * grad * (1 + count[0])

    fn = function(lambda x: x * x, unstable)
    check_raises(lambda: gradcheck(fn, leaf(1.0, 2.0)), GradcheckError, "not reentrant")
    assert gradcheck(fn, leaf(1.0, 2.0), nondet_tol=1e-6)


def test_a_backward_that_ignores_its_gradient_is_found() -> None:
    fn = function(lambda x: x * 1, lambda x, g: torch.ones_like(x))
    check_raises(lambda: gradcheck(fn, leaf(1.0)), GradcheckError, "not multiplied by grad_output")


def test_a_backward_that_mistakes_undefined_gradients_is_found() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, first: Any, second: Any) -> Tensor:
            if first is None and second is None:
                return torch.ones(1, dtype=torch.float64)
            return (0 if first is None else first * 2) + (0 if second is None else second * 3)

    check_raises(lambda: gradcheck(Two.apply, leaf(1.0)), GradcheckError, "undefined or zero")
    assert gradcheck(Two.apply, leaf(1.0), check_undefined_grad=False)


def test_a_missing_gradient_is_found() -> None:
    def cut(x: Tensor) -> Tensor:
        return x.detach() * x

    check_raises(lambda: gradcheck(cut, leaf(1.0, 2.0)), GradcheckError, "Jacobian mismatch")
    check_raises(
        lambda: gradcheck(lambda x: x.detach() * 2, leaf(1.0)), GradcheckError, "expected to be zero"
    )
    assert gradcheck(lambda x: x.detach() * 0, leaf(1.0))


def test_inputs_are_restored_and_may_have_any_strides() -> None:
    a = leaf(*range(6)).detach().reshape(2, 3).t().requires_grad_()
    before = a.tolist()
    assert gradcheck(lambda x: (x * x).sum(0), a)
    assert a.tolist() == before


def test_empty_and_0d_inputs() -> None:
    empty = torch.zeros(0, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: x * 2, empty)
    assert gradgradcheck(lambda x: x * x, empty)
    assert gradcheck(lambda x: x * x, torch.tensor(2.0, dtype=torch.float64, requires_grad=True))


def test_refused_inputs() -> None:
    check_raises(
        lambda: gradcheck(lambda x: x, torch.ones(2)), ValueError, "at least one input tensor to require"
    )
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        gradcheck(lambda x: x * 2, leaf(1.0, dtype=torch.float32), atol=1.0, rtol=1.0)
    wide = torch.ones(1, dtype=torch.float64).expand(3).requires_grad_()
    check_raises(lambda: gradcheck(lambda x: x * 2, wide), RuntimeError, "stride 0")
