"""Batch norm, residual and ReLU in one pass: what a user sees is what the single modules show."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.autograd import graph
from rushlight.nn._fused import norm_act


def layers(channels: int = 5) -> tuple[nn.BatchNorm2d, nn.ReLU]:
    rl.manual_seed(1)
    norm = nn.BatchNorm2d(channels)
    nn.init.uniform_(norm.weight, -1.0, 1.0)
    nn.init.uniform_(norm.bias, -0.5, 0.5)
    return norm, nn.ReLU(inplace=True)


def single_steps(norm: Any, act: Any, x: Any, residual: Any = None) -> Any:
    out = norm(x)
    if residual is not None:
        out += residual
    return act(out)


def inputs(residual: bool) -> tuple[Any, ...]:
    rl.manual_seed(2)
    x = rl.randn(3, 5, 4, 7, requires_grad=True)
    return (x, rl.randn(3, 5, 4, 7, requires_grad=True)) if residual else (x,)


def run(step: Any, residual: bool, training: bool, backwards: int = 1) -> list[Any]:
    """Result, gradients and buffers, behind a convolution: in a network's memory order."""
    norm, act = layers()
    norm.train(training)
    conv = nn.Conv2d(5, 5, 1)
    values = inputs(residual)
    y = step(norm, act, conv(values[0]), *values[1:])
    for i in range(backwards):
        (y * y).sum().backward(retain_graph=i + 1 < backwards)
    tensors = [y, *(v.grad for v in values), *(p.grad for p in (*conv.parameters(), *norm.parameters()))]
    return [t.detach().numpy().tobytes() for t in (*tensors, *norm.buffers())]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("backwards", [1, 2])
def test_same_bits_as_single_steps(residual: bool, training: bool, backwards: int) -> None:
    assert run(norm_act, residual, training, backwards) == run(single_steps, residual, training, backwards)


@pytest.mark.parametrize("residual", [False, True])
def test_same_graph(residual: bool) -> None:
    names = []
    for step in (norm_act, single_steps):
        y = step(*layers(), *inputs(residual))
        names.append([node.name() for node in graph.nodes(y)])
    assert names[0] == names[1]
    assert names[0][0] == "ReluBackward0"


@pytest.mark.parametrize("where", [0, 1])
def test_hooks_on_inner_nodes_see_the_gradient_between(where: int) -> None:
    """The gradient that passes between the nodes exists as soon as somebody looks."""
    seen = []
    for step in (norm_act, single_steps):
        (x,) = inputs(False)
        y = step(*layers(), x)
        node = y.grad_fn if where == 0 else y.grad_fn.next_functions[0][0]
        found: list[Any] = []
        if where == 0:
            node.register_hook(lambda grads, _, found=found: found.append(grads[0].clone()))
        else:
            node.register_prehook(lambda grads, found=found: found.append(grads[0].clone()))
        y.backward(rl.ones_like(y))
        seen.append((found[0].tolist(), x.grad.tolist()))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("where", [0, 1, 2])
def test_hooks_on_the_way_to_a_residual(where: int) -> None:
    """ReLU, sum and batch norm run as one only while nobody listens between them."""
    seen = []
    for step in (norm_act, single_steps):
        values = inputs(True)
        y = step(*layers(), *values)
        node = y.grad_fn
        for _ in range(where):
            node = node.next_functions[0][0]
        found: list[Any] = []
        node.register_prehook(lambda grads, found=found: found.append(grads[0].clone()))
        y.backward(rl.ones_like(y))
        seen.append((found[0].tolist(), *(v.grad.tolist() for v in values)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("wanted", [(0,), (1,), (0, 1)])
def test_some_gradients_behind_a_residual(wanted: tuple[int, ...]) -> None:
    found = []
    for step in (norm_act, single_steps):
        values = inputs(True)
        y = step(*layers(), *values)
        grads = rl.autograd.grad(y, [values[i] for i in wanted], rl.ones_like(y), retain_graph=True)
        again = rl.autograd.grad(y, [values[i] for i in wanted], rl.ones_like(y))
        assert [g.tolist() for g in grads] == [g.tolist() for g in again]
        found.append([g.tolist() for g in grads])
    assert found[0] == found[1]


@pytest.mark.parametrize("residual", [False, True])
def test_a_changed_result_is_noticed(residual: bool) -> None:
    y = norm_act(*layers(), *inputs(residual))
    z = y * 1.0
    with rl.no_grad():
        y.add_(1.0)
    with pytest.raises(RuntimeError, match=r"modified by an inplace.*ReluBackward0"):
        z.sum().backward()


@pytest.mark.parametrize("kind", ["forward", "pre", "full", "full_pre"])
@pytest.mark.parametrize("position", [0, 1])
def test_module_hooks_get_the_single_steps(kind: str, position: int) -> None:
    modules = layers()
    calls: list[int] = []
    register = {
        "forward": lambda m: m.register_forward_hook(lambda *_: calls.append(1)),
        "pre": lambda m: m.register_forward_pre_hook(lambda *_: calls.append(1)),
        "full": lambda m: m.register_full_backward_hook(lambda *_: calls.append(1)),
        "full_pre": lambda m: m.register_full_backward_pre_hook(lambda *_: calls.append(1)),
    }[kind]
    if "full" in kind:
        modules = (modules[0], nn.ReLU())  # as in PyTorch, in-place modules and these hooks do not mix
    handle = register(modules[position])
    norm_act(*modules, *inputs(False)).sum().backward()
    assert calls == [1]
    handle.remove()
    norm_act(*modules, *inputs(False)).sum().backward()
    assert calls == [1]


def test_subclasses_are_called() -> None:
    class Doubling(nn.ReLU):
        def forward(self, input: Any) -> Any:
            return 2 * super().forward(input)

    norm, _ = layers()
    (x,) = inputs(False)
    assert norm_act(norm, Doubling(), x).sum().item() > norm_act(norm, nn.ReLU(), x).sum().item()


def test_retained_and_captured_gradients() -> None:
    (x,) = inputs(False)
    norm, act = layers()
    inner = x * 1.0
    y = norm_act(norm, act, inner)
    y.retain_grad()
    inner.retain_grad()
    y.sum().backward(retain_graph=True)
    assert y.grad.tolist() == rl.ones_like(y).tolist()
    first = inner.grad.tolist()
    (again,) = rl.autograd.grad(y.sum(), inner)
    assert again.tolist() == first


def test_errors_name_what_was_saved() -> None:
    (x,) = inputs(False)
    inner = x * 1.0
    y = norm_act(*layers(), inner)
    inner.add_(1.0)
    with pytest.raises(RuntimeError, match=r"modified by an inplace.*NativeBatchNormBackward0"):
        y.sum().backward()
    y = norm_act(*layers(), *inputs(False))
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


@pytest.mark.parametrize("residual", [False, True])
def test_the_user_s_gradient_is_not_overwritten(residual: bool) -> None:
    y = norm_act(*layers(), *inputs(residual))
    gradient = rl.ones_like(y)
    y.backward(gradient)
    assert gradient.tolist() == rl.ones_like(y).tolist()
