"""Forward and backward hooks of modules."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn


class Affine(nn.Module):
    def forward(self, x: rl.Tensor, factor: float = 2.0) -> rl.Tensor:
        return x * factor


def test_forward_pre_hook() -> None:
    module = Affine()
    handle = module.register_forward_pre_hook(lambda m, args: args[0] + 1)
    assert module(rl.tensor([1.0])).item() == 4
    module.register_forward_pre_hook(lambda m, args: (args[0] * 10,))
    assert module(rl.tensor([1.0])).item() == 40
    module.register_forward_pre_hook(lambda m, args: (args[0] - 1,), prepend=True)
    assert module(rl.tensor([1.0])).item() == 20
    handle.remove()
    handle.remove()
    assert module(rl.tensor([1.0])).item() == 0


def test_hooks_with_kwargs() -> None:
    module = Affine()
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"factor": kwargs["factor"] + 1}), with_kwargs=True
    )
    seen: list[Any] = []
    module.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    assert module(rl.tensor([1.0]), factor=4.0).item() == 5
    assert seen == [{"factor": 5.0}]
    module.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        module(rl.tensor([1.0]), factor=4.0)


def test_forward_hook() -> None:
    module = Affine()
    seen: list[Any] = []
    with module.register_forward_hook(lambda m, args, out: seen.append((m, args[0].item(), out.item()))):
        module(rl.tensor([3.0]))
    module(rl.tensor([4.0]))
    assert seen == [(module, 3.0, 6.0)]
    module.register_forward_hook(lambda m, args, out: out + 1)
    assert module(rl.tensor([3.0])).item() == 7


def test_always_call() -> None:
    class Failing(nn.Module):
        def forward(self) -> None:
            raise KeyError("inside")

    module, seen = Failing(), []
    module.register_forward_hook(lambda m, args, out: seen.append("usual"))
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(KeyError, match="inside"):
        module()
    assert seen == [None]


def test_full_backward_hook_sees_and_replaces_gradients() -> None:
    layer = nn.Linear(2, 1, bias=False)
    with rl.no_grad():
        layer.weight.copy_(rl.tensor([[2.0, 3.0]]))
    seen: list[Any] = []

    def hook(module: nn.Module, grad_input: Any, grad_output: Any) -> Any:
        seen.append((grad_input[0].tolist(), grad_output[0].tolist()))
        return (grad_input[0] * 10,)

    handle = layer.register_full_backward_hook(hook)
    x = rl.ones(1, 2, requires_grad=True)
    layer(x).backward(rl.tensor([[1.0]]))
    assert seen == [([[2.0, 3.0]], [[1.0]])]
    assert x.grad.tolist() == [[20.0, 30.0]]
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    handle.remove()
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.tolist() == [[2.0, 3.0]]


def test_full_backward_pre_hook_replaces_output_gradients() -> None:
    module = Affine()
    module.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] + 1,))
    order: list[str] = []
    module.register_full_backward_hook(lambda m, gi, go: order.append(f"{gi[0].item()} {go[0].item()}"))
    x = rl.ones(1, requires_grad=True)
    module(x).backward()
    assert x.grad.item() == 4
    assert order == ["4.0 2.0"]


def test_backward_hook_without_inputs_that_need_gradients() -> None:
    layer = nn.Linear(2, 2)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    layer(rl.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0, 1.0]])]
    layer.register_full_backward_hook(lambda m, gi, go: (rl.ones(1, 2),))
    with pytest.raises(RuntimeError, match="should always return None"):
        layer(rl.ones(1, 2)).sum().backward()


def test_backward_hook_with_several_inputs_and_outputs() -> None:
    class Pair(nn.Module):
        def forward(self, a: rl.Tensor, text: str, b: rl.Tensor) -> Any:
            return a * 2, text, a * b

    module, seen = Pair(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = rl.tensor([3.0], requires_grad=True), rl.tensor([5.0], requires_grad=True)
    double, text, product = module(a, "x", b)
    assert text == "x"
    (double + product * 10).sum().backward()
    ((grad_input, grad_output),) = seen
    assert [g if g is None else g.item() for g in grad_input] == [52.0, None, 30.0]
    assert [g if g is None else g.item() for g in grad_output] == [1.0, None, 10.0]
    assert a.grad.item() == 52
    assert b.grad.item() == 30


def test_wrong_number_of_gradients() -> None:
    module = Affine()
    module.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        module(rl.ones(1, requires_grad=True)).backward()
    module = Affine()
    module.register_full_backward_pre_hook(lambda m, go: (go[0], go[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_output, got 2, but expected 1"):
        module(rl.ones(1, requires_grad=True)).backward()


def test_backward_hooks_do_nothing_without_grad_mode() -> None:
    module, seen = Affine(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
    with rl.no_grad():
        assert module(rl.ones(1, requires_grad=True)).item() == 2
    assert seen == []


def test_hooked_modules_pickle() -> None:
    module = nn.Sequential(nn.ReLU())
    module.register_forward_hook(shout)
    assert pickle.loads(pickle.dumps(module))(rl.tensor([1.0])).item() == 2


def shout(module: nn.Module, args: Any, out: rl.Tensor) -> rl.Tensor:
    return out * 2
