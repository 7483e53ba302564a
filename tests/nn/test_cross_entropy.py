"""Cross-entropy runs backward in one pass; to a user it is log_softmax and nll_loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd import graph
from rushlight.nn import functional as F


def logits(shape: tuple[int, ...] = (5, 17), dtype: Any = rl.float32) -> Any:
    rl.manual_seed(0)
    return rl.randn(*shape, dtype=dtype).requires_grad_()


TARGET = [3, 16, -100, 0, 7]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [rl.float32, rl.float64, rl.bfloat16])
def test_gradient_is_that_of_the_two_steps(reduction: str, weighted: bool, dtype: Any) -> None:
    weight = rl.linspace(0.5, 2.0, 17, dtype=dtype) if weighted else None
    target = rl.tensor(TARGET)
    found = []
    for fused in (True, False):
        x = logits(dtype=dtype)
        if fused:
            loss = F.cross_entropy(x, target, weight, reduction=reduction)
        else:
            log_probs = F.log_softmax(x, 1)
            loss = F.nll_loss(log_probs, target, weight, reduction=reduction)
        loss.backward(rl.arange(1, loss.numel() + 1).to(dtype).view(loss.shape))
        found.append((loss.detach(), x.grad))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one.double().numpy(), two.double().numpy(), rtol=1e-5, atol=1e-6)


def test_same_graph() -> None:
    names = [node.name() for node in graph.nodes(F.cross_entropy(logits(), rl.tensor(TARGET)))]
    assert names == ["NllLossBackward0", "LogSoftmaxBackward0", "AccumulateGrad"]


def test_a_hook_between_sees_the_gradient() -> None:
    x = logits()
    loss = F.cross_entropy(x, rl.tensor(TARGET))
    seen: list[Any] = []
    loss.grad_fn.next_functions[0][0].register_prehook(lambda grads: seen.append(grads[0].clone()))
    loss.backward()
    assert (seen[0] != 0).sum().item() == 4
    plain = logits()
    F.cross_entropy(plain, rl.tensor(TARGET)).backward()
    np.testing.assert_allclose(x.grad.numpy(), plain.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_log_probabilities_used_elsewhere_keep_their_gradient() -> None:
    x = logits()
    log_probs = F.log_softmax(x, 1)
    (F.nll_loss(log_probs, rl.tensor(TARGET)) + log_probs.sum()).backward()
    expected = logits()
    other = F.log_softmax(expected, 1)
    (grad_nll,) = rl.autograd.grad(F.nll_loss(other, rl.tensor(TARGET)), expected, retain_graph=True)
    (grad_sum,) = rl.autograd.grad(other.sum(), expected)
    np.testing.assert_allclose(x.grad.numpy(), (grad_nll + grad_sum).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(17,), (0, 17), (2, 17, 3)])
def test_other_shapes(shape: tuple[int, ...]) -> None:
    x = logits(shape)
    target = rl.zeros(*[size for d, size in enumerate(shape) if d != (len(shape) > 1)], dtype=rl.int64)
    F.cross_entropy(x, target, reduction="sum").backward()
    (expected,) = rl.autograd.grad(F.nll_loss(F.log_softmax(x, x.dim() > 1), target, reduction="sum"), x)
    np.testing.assert_allclose(x.grad.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_in_place_changes_of_the_logits_do_no_harm() -> None:
    x = logits()
    scores = x * 1.0
    loss = F.cross_entropy(scores, rl.tensor(TARGET))
    scores.detach().zero_()
    loss.backward()
    expected = logits()
    F.cross_entropy(expected, rl.tensor(TARGET)).backward()
    assert x.grad.tolist() == expected.grad.tolist()


def test_second_backward_is_refused() -> None:
    loss = F.cross_entropy(logits(), rl.tensor(TARGET))
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
