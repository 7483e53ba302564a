"""autograd.Function."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import rushlight as torch
from rushlight.autograd import Function
from rushlight.autograd.function import once_differentiable
from tests.helpers import check_raises

Tensor = torch.Tensor


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return grad * result


class Scale(Function):
    """The newer style: forward without ctx."""

    @staticmethod
    def forward(x: Tensor, factor: float, shift: float = 1.0) -> Tensor:
        return x * factor + shift

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.factor, _ = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad * ctx.factor, None, None


def test_value_gradient_and_name() -> None:
    a = leaf(0.0, 1.0)
    y = Exp.apply(a)
    assert y.grad_fn.name() == "ExpBackward"
    assert y.grad_fn.next_functions[0][0].variable is a
    y.sum().backward()
    assert a.grad.tolist() == y.tolist()


def test_checks_pass() -> None:
    a = leaf(0.3, 1.0)
    assert torch.autograd.gradcheck(Exp.apply, a)
    assert torch.autograd.gradgradcheck(Exp.apply, a)
    assert torch.autograd.gradcheck(lambda x: Scale.apply(x, 3.0), a)


def test_setup_context_and_other_arguments() -> None:
    a = leaf(1.0, 2.0)
    y = Scale.apply(a, 3.0)
    assert y.tolist() == [4.0, 7.0]
    y.sum().backward()
    assert a.grad.tolist() == [3.0, 3.0]


def test_forward_is_not_recorded() -> None:
    modes: list[bool] = []

    class Spy(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            modes.append(torch.is_grad_enabled())
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            modes.append(torch.is_grad_enabled())
            return grad * 2

    a = leaf(1.0)
    Spy.apply(a).sum().backward()
    torch.autograd.grad(Spy.apply(a).sum(), a, create_graph=True)
    assert modes == [False, False, False, True]


def test_without_gradient_nothing_is_recorded() -> None:
    a = leaf(1.0)
    with torch.no_grad():
        assert not Exp.apply(a).requires_grad
    assert Exp.apply(a.detach()).grad_fn is None


def test_needs_input_grad() -> None:
    seen: list[tuple[bool, ...]] = []

    class Spy(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, factor: float, y: Tensor) -> Tensor:
            return x * factor + y

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
            seen.append(ctx.needs_input_grad)
            return grad * 2.0, None, None

    Spy.apply(leaf(1.0), 2.0, torch.ones(1, dtype=torch.float64)).sum().backward()
    assert seen == [(True, False, False)]


def test_several_outputs_and_materialised_gradients() -> None:
    received: list[Any] = []

    class Both(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, materialize: bool) -> tuple[Tensor, Tensor, str]:
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3, "text"

        @staticmethod
        def backward(ctx: Any, first: Any, second: Any, *_: Any) -> tuple[Any, None]:
            received.append((first, second))
            return (first if second is None else second) * 3, None

    a = leaf(1.0, 2.0)
    first, second, text = Both.apply(a, True)
    assert text == "text"
    assert (first.output_nr, second.output_nr) == (0, 1)
    second.sum().backward()
    assert received[0][0].tolist() == [0.0, 0.0]
    assert a.grad.tolist() == [3.0, 3.0]
    _, second, _ = Both.apply(a, False)
    second.sum().backward()
    assert received[1][0] is None


def test_none_gradients() -> None:
    class Stop(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
            return x + y

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
            return None, grad

    a, b = leaf(1.0), leaf(2.0)
    Stop.apply(a, b).sum().backward()
    assert a.grad is None
    assert b.grad.tolist() == [1.0]


def returning(*gradients: Any) -> type[Function]:
    """A function of (x, 2.0) whose backward returns this."""

    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
            return x * factor

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
            return gradients

    return Wrong


def test_wrong_gradients_name_the_function() -> None:
    def run(*gradients: Any) -> Any:
        return lambda: returning(*gradients).apply(leaf(1.0, 2.0), 2.0).sum().backward()

    good = torch.ones(2, dtype=torch.float64)
    check_raises(run(good), RuntimeError, r"WrongBackward returned an incorrect number.*expected 2, got 1")
    check_raises(run(good, None, good), RuntimeError, r"WrongBackward.*expected 2, got 3")
    check_raises(
        run(good, good), RuntimeError, "WrongBackward returned a gradient different than None at position 2"
    )
    check_raises(run(torch.ones(3), None), RuntimeError, "WrongBackward.*invalid gradient")
    check_raises(run(1.0, None), TypeError, "expected Variable or None")
    run(good, None, None, None)()  # more None than arguments are fine


def test_missing_methods() -> None:
    class Empty(Function):
        pass

    class NoBackward(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    check_raises(lambda: Empty.apply(leaf(1.0)), NotImplementedError, "forward")
    check_raises(NoBackward.apply(leaf(1.0)).sum().backward, NotImplementedError, "backward")


def test_saved_tensors_are_checked_and_freed() -> None:
    a = leaf(1.0)
    y = Exp.apply(a)
    y.sum().backward()
    check_raises(y.sum().backward, RuntimeError, "backward through the graph a second time")
    y = Exp.apply(a)
    y.add_(1)
    check_raises(y.sum().backward, RuntimeError, "modified by an inplace operation")
    check_raises(lambda: Square.apply(a, "x"), TypeError, "can only save variables")


class Square(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, saved: Any = None) -> Tensor:
        ctx.save_for_backward(x, saved)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, nothing = ctx.saved_tensors
        assert nothing is None
        return 2 * x * grad, None


def test_saving_inputs_and_none() -> None:
    a = leaf(3.0)
    assert torch.autograd.gradcheck(Square.apply, (a, None))
    assert torch.autograd.gradgradcheck(Square.apply, (a, None))


def test_saving_a_result_makes_no_cycle() -> None:
    alive = []

    class Spy(Exp):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            alive.append(weakref.ref(ctx))
            return Exp.forward(ctx, x)

    gc.disable()
    try:
        y = Spy.apply(leaf(1.0))
        assert alive[0]() is not None
        del y
        assert alive[0]() is None
    finally:
        gc.enable()


def test_mark_dirty() -> None:
    class AddOne(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad * 10

    a = leaf(1.0, 2.0)
    b = a * 1
    c = AddOne.apply(b)
    assert c is b
    assert b.grad_fn.name() == "AddOneBackward"
    b.sum().backward()
    assert a.grad.tolist() == [10.0, 10.0]
    check_raises(lambda: AddOne.apply(a), RuntimeError, "leaf Variable that requires grad")

    a = leaf(1.0, 2.0)
    b = a * 1
    AddOne.apply(b[1:])
    b.sum().backward()
    assert a.grad.tolist() == [1.0, 10.0]

    class Forgets(AddOne):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            AddOne.forward(ctx, x)
            return x * 2

    check_raises(lambda: Forgets.apply(leaf(1.0) * 1), RuntimeError, "marked as dirty")


def test_mark_non_differentiable() -> None:
    class Sorted(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            values, order = x.sort()
            flat = x * 0
            ctx.mark_non_differentiable(flat)
            ctx.save_for_backward(order)
            return values, order, flat

        @staticmethod
        def backward(ctx: Any, grad: Tensor, grad_order: Tensor, grad_flat: Tensor) -> Tensor:
            (order,) = ctx.saved_tensors
            assert grad_flat.tolist() == [0.0, 0.0]
            return torch.zeros_like(grad).index_put((order,), grad)

    a = leaf(2.0, 1.0)
    values, order, flat = Sorted.apply(a)
    assert (values.requires_grad, order.requires_grad, flat.requires_grad) == (True, False, False)
    (values * torch.tensor([1.0, 5.0], dtype=torch.float64)).sum().backward()
    assert a.grad.tolist() == [5.0, 1.0]


def test_returning_an_input_or_a_view() -> None:
    class Identity(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, view: bool) -> Tensor:
            return x[:] if view else x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
            return grad * 5, None

    for view in (False, True):
        a = leaf(1.0, 2.0)
        y = Identity.apply(a, view)
        assert a.is_leaf
        assert y is not a
        (y + a).sum().backward()
        assert a.grad.tolist() == [6.0, 6.0]


def test_once_differentiable() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 3 * x**2 * grad

    a = leaf(2.0)
    Cube.apply(a).sum().backward()
    assert a.grad.tolist() == [12.0]
    (gradient,) = torch.autograd.grad((Cube.apply(a) ** 2).sum(), a, create_graph=True)
    check_raises(gradient.sum().backward, RuntimeError, "twice a function.*once_differentiable")


def test_an_exception_in_backward_reaches_the_caller() -> None:
    class Fails(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            raise KeyError("from backward")

    check_raises(Fails.apply(leaf(1.0)).sum().backward, KeyError, "from backward")


def test_backward_inside_backward() -> None:
    """Checkpointing: the forward is run again, and differentiated, inside backward."""

    class Checkpoint(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.exp().sin()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                again = x.detach().requires_grad_()
                out = again.exp().sin()
            out.backward(grad)
            return again.grad

    a, b = leaf(0.3, 0.4), leaf(0.3, 0.4)
    Checkpoint.apply(Checkpoint.apply(a)).sum().backward()
    b.exp().sin().exp().sin().sum().backward()
    assert a.grad.tolist() == b.grad.tolist()
