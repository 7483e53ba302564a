"""Hooks on tensors and nodes."""

from __future__ import annotations

import pytest

import rushlight as torch
from tests.helpers import check_raises


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_hooks_see_and_replace_gradients_in_order() -> None:
    a = leaf(2.0)
    b = a * 3
    seen: list[list[float]] = []
    b.register_hook(lambda g: seen.append(g.tolist()))
    b.register_hook(lambda g: g * 10)
    b.register_hook(lambda g: seen.append(g.tolist()))
    (b * 2).sum().backward()
    assert seen == [[2.0], [20.0]]
    assert a.grad.tolist() == [60.0]


def test_hooks_of_a_leaf_run_before_accumulation() -> None:
    a = leaf(2.0)
    a.register_hook(lambda g: g + 1)
    (a * 3).sum().backward()
    (a * 3).sum().backward()
    assert a.grad.tolist() == [8.0]


def test_a_hook_sees_the_whole_gradient_once() -> None:
    a = leaf(2.0)
    calls: list[list[float]] = []
    a.register_hook(lambda g: calls.append(g.tolist()))
    (a * 3 + a * 4 + a).sum().backward()
    assert calls == [[8.0]]


def test_removal() -> None:
    a = leaf(2.0)
    calls: list[int] = []
    first = a.register_hook(lambda g: calls.append(1))
    with a.register_hook(lambda g: calls.append(2)):
        (a * 1).sum().backward()
    first.remove()
    first.remove()
    (a * 1).sum().backward()
    assert calls == [1, 2]


def test_a_hook_may_remove_itself() -> None:
    a = leaf(2.0)
    calls: list[int] = []

    def once(gradient: torch.Tensor) -> None:
        calls.append(1)
        handle.remove()

    handle = a.register_hook(once)
    a.register_hook(lambda g: calls.append(2))
    (a * 1).sum().backward()
    (a * 1).sum().backward()
    assert calls == [1, 2, 2]


def test_hooks_and_retain_grad() -> None:
    a = leaf(2.0)
    b = a * 3
    b.register_hook(lambda g: g * 2)
    b.retain_grad()
    b.sum().backward()
    assert b.grad.tolist() == [2.0]
    assert a.grad.tolist() == [6.0]


def test_retained_gradients_follow_in_place_changes_and_hooks_do_not() -> None:
    a = leaf(2.0, 3.0)
    b = a * 2
    before: list[list[float]] = []
    b.register_hook(lambda g: before.append(g.tolist()))
    b.retain_grad()
    used = b * 7
    b.mul_(3).add_(1)
    (used.sum() + b.sum() * 5).backward()
    assert b.grad.tolist() == [5.0, 5.0]
    assert before == [[22.0, 22.0]]
    assert a.grad.tolist() == [44.0, 44.0]


def test_retained_gradients_of_a_base_follow_changes_of_its_views() -> None:
    a = leaf(2.0, 3.0)
    b = a * 2
    b.retain_grad()
    b[:1].mul_(3)
    b[1:].mul_(4)
    (b * 5).sum().backward()
    assert b.grad.tolist() == [5.0, 5.0]
    assert a.grad.tolist() == [30.0, 40.0]


@pytest.mark.parametrize("through", ["view", "base", "sibling"])
def test_retained_gradients_of_a_view_follow_every_change_of_its_memory(through: str) -> None:
    a = leaf(2.0, 3.0)
    base = a * 2
    view, sibling = base[:1], base[:1]
    view.retain_grad()
    {"view": view, "base": base, "sibling": sibling}[through].mul_(3)
    (view * 5).sum().backward()
    assert view.grad.tolist() == [5.0]
    assert a.grad.tolist() == [30.0, 0.0]


def test_hooks_run_for_captured_gradients() -> None:
    a = leaf(2.0)
    b = a * 3
    b.register_hook(lambda g: g * 5)
    assert torch.autograd.grad(b.sum(), b)[0].tolist() == [5.0]


def test_hooks_of_a_detached_branch_do_not_run() -> None:
    a, b = leaf(2.0), leaf(3.0)
    calls: list[int] = []
    b.register_hook(lambda g: calls.append(1))
    torch.autograd.grad((a * b).sum(), a)
    assert calls == []


def test_a_hook_with_create_graph_is_differentiable() -> None:
    a = leaf(2.0)
    b = a * a
    b.register_hook(lambda g: g * b)
    (gradient,) = torch.autograd.grad(b.sum(), a, create_graph=True)
    assert gradient.tolist() == [16.0]  # a^2 * 2a
    # dG/db = 2a passes the hook again: 2a * b * 2a, and directly 2b
    assert torch.autograd.grad(gradient.sum(), a)[0].tolist() == [64.0 + 8.0]


def test_bad_hooks() -> None:
    check_raises(lambda: torch.ones(2).register_hook(lambda g: g), RuntimeError, "doesn't require gradient")
    a = leaf(2.0, 3.0)
    a.register_hook(lambda g: "x")
    check_raises((a * 1).sum().backward, TypeError, "(?i)tensor|variable")
    b = leaf(2.0, 3.0)
    b.register_hook(lambda g: g.sum().expand(3))
    check_raises((b * 1).sum().backward, RuntimeError, "3|size")


def test_an_exception_in_a_hook_reaches_the_caller() -> None:
    a = leaf(2.0)

    def fail(gradient: torch.Tensor) -> None:
        raise KeyError("from the hook")

    handle = a.register_hook(fail)
    check_raises((a * 2).sum().backward, KeyError, "from the hook")
    handle.remove()
    (a * 2).sum().backward()
    assert a.grad.tolist() == [2.0]


def test_node_hooks() -> None:
    a = leaf(2.0)
    b = a * 3
    calls: list[object] = []
    node = b.grad_fn
    node.register_prehook(lambda grads: (grads[0] * 2,))
    handle = node.register_hook(lambda out, given: calls.append((out[0].tolist(), given[0].tolist())))
    b.sum().backward()
    assert calls == [([6.0], [2.0])]
    assert a.grad.tolist() == [6.0]
    handle.remove()
    node.register_hook(lambda out, given: (out[0] * 10, *out[1:]))
    c = a * 3
    c.grad_fn.register_hook(lambda out, given: (out[0] * 10, *out[1:]))
    c.sum().backward()
    assert a.grad.tolist() == [36.0]


def test_backward_inside_a_hook_of_the_same_graph() -> None:
    a = leaf(2.0)
    b = a * a
    out = b.exp().sum()
    inner: list[list[float]] = []

    def hook(gradient: torch.Tensor) -> None:
        if not inner:
            inner.append([])
            inner[0] = torch.autograd.grad(out, a, retain_graph=True)[0].tolist()

    b.register_hook(hook)
    out.backward(retain_graph=True)
    assert inner[0] == a.grad.tolist()
