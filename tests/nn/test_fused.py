"""Batch norm, residual, ReLU and max pooling in one pass: a user sees what the single modules show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.autograd import graph
from rushlight.nn._fused import norm_act, norm_act_pool


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


def pooled(step: Any, x: Any, training: bool = True, dtype: Any = rl.float32, **options: Any) -> list[Any]:
    """Result, gradients and buffers of a convolution, `step`, and a sum of squares behind it."""
    rl.manual_seed(3)
    channels = x.shape[1]
    norm, act = layers(channels)
    norm.train(training)
    if dtype == rl.float64:
        norm.to(dtype)
    conv = nn.Conv2d(channels, channels, 1, bias=False).to(dtype)
    x = x.detach().to(dtype).requires_grad_()
    y = step(norm, act, nn.MaxPool2d(**options), conv(x))
    (y * y).double().sum().backward()
    tensors = [y, x.grad, *(p.grad for p in (*conv.parameters(), *norm.parameters())), *norm.buffers()]
    return [t.detach().double().numpy() for t in tensors]


def single_pool(norm: Any, act: Any, pool: Any, x: Any) -> Any:
    return pool(act(norm(x)))


@pytest.mark.parametrize(
    "shape", [(3, 5, 9, 7), (2, 64, 12, 12), (1, 67, 8, 5), (2, 130, 3, 4), (1, 3, 2, 1)]
)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2},
        {"kernel_size": (1, 3), "stride": (2, 1), "padding": (0, 1), "ceil_mode": True},
        {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2},
    ],
)
def test_pooling_as_in_single_steps(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    rl.manual_seed(4)
    x = rl.randn(*shape)
    if min(shape[2:]) == 1:
        options = {"kernel_size": 1}
    for training, dtype, eps in (
        (True, rl.float32, 1e-5),
        (True, rl.float64, 1e-13),
        (False, rl.float32, 0.0),
    ):
        found = pooled(norm_act_pool, x, training, dtype, **options)
        want = pooled(single_pool, x, training, dtype, **options)
        assert found[0].tobytes() == want[0].tobytes()
        for ours, theirs in zip(found, want, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=eps, atol=eps * np.abs(theirs).max())


def test_pooling_in_bfloat16() -> None:
    """As near to float32 as the single steps are, which round one more time."""
    x = rl.randn(4, 33, 11, 9)
    options: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1}
    found = pooled(norm_act_pool, x, dtype=rl.bfloat16, **options)
    want = pooled(single_pool, x, dtype=rl.bfloat16, **options)
    exact = pooled(single_pool, x.bfloat16().float(), **options)
    assert found[0].tobytes() == want[0].tobytes()
    for ours, theirs, right in zip(found, want, exact, strict=True):
        error, allowed = (np.sqrt(np.mean((values - right) ** 2)) for values in (ours, theirs))
        assert error <= 1.1 * allowed + 1e-9


def test_same_graph_with_pooling_and_its_hooks() -> None:
    names, seen = [], []
    for step in (norm_act_pool, single_pool):
        for where in range(3):
            (x,) = inputs(False)
            conv = nn.Conv2d(5, 5, 1, bias=False)
            nn.init.ones_(conv.weight)
            y = step(*layers(), nn.MaxPool2d(3, 2, 1), conv(x))
            names.append([node.name() for node in graph.nodes(y)])
            node = y.grad_fn
            for _ in range(where):
                node = node.next_functions[0][0]
            found: list[Any] = []
            node.register_prehook(lambda grads, found=found: found.append(grads[0].clone()))
            y.backward(rl.ones_like(y))
            seen.append((found[0].tolist(), x.grad.numpy()))
    assert names[:3] == names[3:]
    assert names[0][:3] == ["MaxPool2DWithIndicesBackward0", "ReluBackward0", "NativeBatchNormBackward0"]
    for ours, theirs in zip(seen[:3], seen[3:], strict=True):
        assert ours[0] == theirs[0]
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5, atol=1e-6)


def test_pooling_twice_backward_and_changed_inputs() -> None:
    conv = nn.Conv2d(5, 5, 1)
    (x,) = inputs(False)
    modules = (*layers(), nn.MaxPool2d(3, 2, 1))
    y = norm_act_pool(*modules, conv(x))
    gradient = rl.ones_like(y)
    first = rl.autograd.grad(y, x, gradient, retain_graph=True)[0].tolist()
    assert rl.autograd.grad(y, x, gradient)[0].tolist() == first
    assert gradient.tolist() == rl.ones_like(y).tolist()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
    inner = conv(x)
    y = norm_act_pool(*modules, inner)
    with rl.no_grad():
        inner.add_(1.0)
    with pytest.raises(RuntimeError, match=r"modified by an inplace.*NativeBatchNormBackward0"):
        y.sum().backward()


def test_pooling_keeps_what_is_not_a_number() -> None:
    x = rl.zeros(1, 4, 6, 6)
    x[0, 1, 2, 3] = float("nan")
    x[0, 2, 1, 1] = float("-inf")
    results = []
    for step in (norm_act_pool, single_pool):
        conv = nn.Conv2d(4, 4, 1, groups=4, bias=False)
        nn.init.ones_(conv.weight)
        results.append(step(*layers(4), nn.MaxPool2d(3, 2, 1), conv(x)).detach().numpy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_module_hooks_get_the_single_steps_of_pooling(position: int) -> None:
    modules = (*layers(), nn.MaxPool2d(2))
    calls: list[int] = []
    modules[position].register_forward_hook(lambda *_: calls.append(1))
    norm_act_pool(*modules, *inputs(False)).sum().backward()
    assert calls == [1]
    values, where = norm_act_pool(*layers(), nn.MaxPool2d(2, return_indices=True), *inputs(False))
    assert values.shape == where.shape


@pytest.mark.parametrize("shape", [(9, 64, 64, 64), (9, 63, 65, 64)])
def test_maps_too_large_for_caches(shape: tuple[int, ...]) -> None:
    x = rl.randn(*shape)
    options: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1}
    found, want = (pooled(step, x, **options) for step in (norm_act_pool, single_pool))
    assert found[0].tobytes() == want[0].tobytes()
    for ours, theirs in zip(found, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("training", [True, False])
def test_a_sequence_pools_in_the_same_pass(training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    norm, act = layers()
    net = nn.Sequential(nn.Conv2d(5, 5, 1), norm, act, nn.MaxPool2d(3, 2, 1)).train(training)
    (x,) = inputs(False)
    want = single_pool(norm, act, net[3], net[0](x)).tolist()
    merged = nn.norm.ops.batch_norm_relu_max_pool2d
    calls: list[int] = []
    monkeypatch.setattr(
        nn.norm.ops, "batch_norm_relu_max_pool2d", lambda **given: (calls.append(1), merged(**given))[1]
    )
    assert net(x).tolist() == want
    assert len(calls) == training
