"""The graph, in-place semantics and error classes against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "tutorial": lambda t, a, b: 3 * a**3 - b**2,
    "scalars": lambda t, a, b: (a / 3 - 2) * b + 1,
    "neg, abs, sqrt": lambda t, a, b: -a.abs().sqrt(),
    "exp, log, tanh, sigmoid": lambda t, a, b: a.exp().log().tanh().sigmoid(),
    "relu, clamp": lambda t, a, b: t.relu(a).clamp(0.1, 2.0),
    "sin, cos": lambda t, a, b: a.sin() * b.cos(),
    "sum": lambda t, a, b: a.sum(),
    "sum of a dimension": lambda t, a, b: a.sum(1).sum(dim=0, keepdim=True),
    "mean": lambda t, a, b: a.mean() + a.mean(0).mean(),
    "max": lambda t, a, b: a.max() + a.max(1)[0].max(),
    "amax": lambda t, a, b: a.amax(0),
    "var, std": lambda t, a, b: a.var() + a.std(1).sum(),
    "matmul": lambda t, a, b: a @ b.t(),
    "mv": lambda t, a, b: a @ b[0],
    "batched matmul": lambda t, a, b: a.reshape(1, 2, 3) @ b.t().reshape(1, 3, 2),
    "linear": lambda t, a, b: t.nn.functional.linear(a, b),
    "views": lambda t, a, b: a.view(3, 2).t()[1:].unsqueeze(0).squeeze(0).permute(1, 0),
    "reshape": lambda t, a, b: a.t().reshape(-1),
    "flatten, expand": lambda t, a, b: a.flatten().unsqueeze(1).expand(6, 4),
    "select": lambda t, a, b: a[0] + b[:, 1].sum(),
    "index": lambda t, a, b: a[t.tensor([0, 1])],
    "cat, stack": lambda t, a, b: t.stack([t.cat([a, b]), t.cat([b, a])]),
    "split": lambda t, a, b: a.split(1)[0] + a.chunk(2)[1] + a.unbind(0)[1],
    "where": lambda t, a, b: t.where(a > 0, a, b),
    "masked_fill, gather": lambda t, a, b: a.masked_fill(a > 0, 1.0).gather(1, t.tensor([[0], [1]])),
    "index_select": lambda t, a, b: a.index_select(1, t.tensor([0, 2])),
    "softmax": lambda t, a, b: t.softmax(a, 1) + t.log_softmax(b, 1),
    "cumsum": lambda t, a, b: a.cumsum(0),
    "losses": lambda t, a, b: t.nn.functional.mse_loss(a, b) + t.nn.functional.l1_loss(a, b),
    "cross entropy": lambda t, a, b: t.nn.functional.cross_entropy(a, t.tensor([0, 2])),
    "conv, pool": lambda t, a, b: t.nn.functional.max_pool2d(
        t.nn.functional.conv2d(a.reshape(1, 1, 2, 3), b[:, :2].reshape(1, 1, 2, 2)), 1
    ),
    "clone, to": lambda t, a, b: a.clone().to(t.float64) + b.double(),
    "maximum, pow": lambda t, a, b: t.maximum(a, b) ** b,
    "in place": lambda t, a, b: (a * 1).mul_(b).add_(2),
    "in place on a view": lambda t, a, b: written(a, b),
}


def written(a: Any, b: Any) -> Any:
    c = a * 1
    c[0].mul_(b[0])
    return c


def tree(node: Any, seen: dict[Any, int]) -> Any:
    """(name, ((child, result number), ...)), a repeated node as its number."""
    if node is None:
        return None
    if node in seen:
        return seen[node]
    seen[node] = len(seen)
    name = node.name().rsplit("::", 1)[-1]
    return name, tuple((tree(following, seen), number) for following, number in node.next_functions)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_same_graph(name: str) -> None:
    trees = []
    for t in (rushlight, torch):
        a = t.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True)
        b = t.tensor([[1.5, 1.0, 0.2], [0.5, 1.3, 2.7]], requires_grad=True)
        trees.append(tree(EXPRESSIONS[name](t, a, b).grad_fn, {}))
    assert trees[0] == trees[1]


def leaf(t: Any, *shape: int) -> Any:
    return t.ones(*shape, requires_grad=True)


def second_backward(t: Any) -> None:
    out = leaf(t, 2).exp().sum()
    out.backward()
    out.backward()


def changed(t: Any) -> None:
    a = leaf(t, 2)
    b = a.exp()
    b += 1
    b.sum().backward()


REFUSED: dict[str, Callable[[Any], Any]] = {
    "second backward": second_backward,
    "changed in place": changed,
    "leaf in place": lambda t: leaf(t, 2).add_(1),
    "leaf view in place": lambda t: leaf(t, 2)[0].add_(1),
    "split in place": lambda t: (leaf(t, 2) * 1).split(1)[0].add_(1),
    "no graph": lambda t: t.ones(1).backward(),
    "not a scalar": lambda t: (leaf(t, 2) * 1).backward(),
    "gradient's shape": lambda t: (leaf(t, 2) * 1).backward(t.ones(3)),
    "gradient's type": lambda t: (leaf(t, 2) * 1).backward(1.0),
    "integers": lambda t: t.ones(2, dtype=t.int64, requires_grad=True),
    "requires_grad_ of integers": lambda t: t.ones(2, dtype=t.int64).requires_grad_(),
    "non-leaf flag": lambda t: (leaf(t, 2) * 1).requires_grad_(False),
    "detached view": lambda t: (leaf(t, 2) * 1)[0].detach_(),
    "hook without gradient": lambda t: t.ones(2).register_hook(lambda g: g),
    "numpy of a graph": lambda t: leaf(t, 2).numpy(),
    "deepcopy of a result": lambda t: __import__("copy").deepcopy(leaf(t, 2) * 1),
    "unused": lambda t: t.autograd.grad(leaf(t, 1).sum(), leaf(t, 1)),
    "no inputs": lambda t: t.autograd.grad(leaf(t, 1).sum(), []),
    "grad shape": lambda t: setattr(leaf(t, 2), "grad", t.ones(3)),
    "grad type": lambda t: setattr(leaf(t, 2), "grad", 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_same_exception(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        REFUSED[name](torch)
    with pytest.raises(Exception) as ours:
        REFUSED[name](rushlight)
    assert ours.type is theirs.type
