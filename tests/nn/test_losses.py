"""Losses: values by NumPy formulas, gradients by gradcheck, reductions, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from tests.helpers import check_raises

rng = np.random.default_rng(0)
A, B = rng.normal(0, 2, (4, 3)), rng.normal(0, 2, (4, 3))
P, T = rng.uniform(0.05, 0.95, (4, 3)), rng.uniform(0, 1, (4, 3))
W, Q = rng.uniform(0.5, 2, (4, 3)), rng.uniform(0.5, 2, 3)
LABELS = np.array([2, 0, 1, 2])


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def bce(p: Any, t: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


D = np.abs(A - B)
CASES = {
    "mse": (nn.MSELoss, {}, A, B, D**2),
    "l1": (nn.L1Loss, {}, A, B, D),
    "smooth_l1": (nn.SmoothL1Loss, {"beta": 1.5}, A, B, np.where(D < 1.5, D**2 / 3, D - 0.75)),
    "smooth_l1_beta_0": (nn.SmoothL1Loss, {"beta": 0.0}, A, B, D),
    "huber": (nn.HuberLoss, {"delta": 1.5}, A, B, np.where(D <= 1.5, D**2 / 2, 1.5 * (D - 0.75))),
    "bce": (nn.BCELoss, {}, P, T, bce(P, T)),
    "bce_weighted": (nn.BCELoss, {"weight": W}, P, T, W * bce(P, T)),
    "bce_logits": (nn.BCEWithLogitsLoss, {}, A, T, bce(1 / (1 + np.exp(-A)), T)),
    "bce_logits_pos": (
        nn.BCEWithLogitsLoss,
        {"pos_weight": Q, "weight": W},
        A,
        T,
        W * ((1 - T) * A + (1 + (Q - 1) * T) * np.log1p(np.exp(-A))),
    ),
    "kl": (nn.KLDivLoss, {}, log_softmax(A), T, T * (np.log(T) - log_softmax(A))),
    "kl_log": (
        nn.KLDivLoss,
        {"log_target": True},
        log_softmax(A),
        np.log(T),
        T * (np.log(T) - log_softmax(A)),
    ),
    "nll": (nn.NLLLoss, {}, log_softmax(A), LABELS, -log_softmax(A)[range(4), LABELS]),
    "cross_entropy": (nn.CrossEntropyLoss, {}, A, LABELS, -log_softmax(A)[range(4), LABELS]),
    "cross_entropy_probabilities": (nn.CrossEntropyLoss, {}, A, T, -(T * log_softmax(A)).sum(1)),
}


def make(name: str, reduction: str) -> tuple[nn.Module, rl.Tensor, rl.Tensor]:
    kind, options, input, target, _ = CASES[name]
    options = {key: rl.from_numpy(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
    return kind(**options, reduction=reduction), rl.from_numpy(input).requires_grad_(), rl.from_numpy(target)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_loss(name: str, reduction: str) -> None:
    expected = CASES[name][4]
    if reduction != "none":
        # The mean of these is per sample or per element; both are what is left of the shape.
        expected = getattr(expected, reduction)()
    loss, input, target = make(name, reduction)
    np.testing.assert_allclose(loss(input, target).detach().numpy(), expected, rtol=1e-10)
    assert rl.autograd.gradcheck(lambda x: loss(x, target), (input,))
    assert rl.autograd.gradgradcheck(lambda x: loss(x, target), (input,))


def test_kl_batchmean_and_zero_targets() -> None:
    input = rl.from_numpy(log_softmax(A))
    target = np.eye(3)[[0, 1, 2, 0]]
    loss = nn.KLDivLoss(reduction="batchmean")(input, rl.from_numpy(target))
    assert loss.item() == pytest.approx(-(target * log_softmax(A)).sum() / 4)
    with pytest.warns(UserWarning, match="'mean' divides the total loss by both"):
        nn.KLDivLoss()(input, rl.from_numpy(target))


def test_weights_and_ignored_labels() -> None:
    weight = rl.from_numpy(np.array([1.0, 2.0, 4.0]))
    input, labels = rl.from_numpy(A), rl.from_numpy(np.array([2, -100, 1, 0]))
    terms = -log_softmax(A)[[0, 2, 3], [2, 1, 0]]
    expected = (terms * [4, 2, 1]).sum() / 7
    assert nn.CrossEntropyLoss(weight)(input, labels).item() == pytest.approx(expected)
    assert nn.NLLLoss(weight)(input.log_softmax(1), labels).item() == pytest.approx(expected)
    ignored = nn.CrossEntropyLoss(ignore_index=0, reduction="none")(input, rl.from_numpy(LABELS)).tolist()
    assert ignored[1] == 0
    assert "weight" in nn.CrossEntropyLoss(weight).state_dict()


def test_label_smoothing() -> None:
    smooth = 0.9 * np.eye(3)[LABELS] + 0.1 / 3
    expected = -(smooth * log_softmax(A)).sum(1).mean()
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    assert loss(rl.from_numpy(A), rl.from_numpy(LABELS)).item() == pytest.approx(expected)


def test_logits_that_are_far_out() -> None:
    x = rl.tensor([1000.0, -1000.0], requires_grad=True)
    loss = nn.BCEWithLogitsLoss(reduction="none")(x, rl.tensor([1.0, 1.0]))
    assert loss.tolist() == [0.0, 1000.0]
    loss.sum().backward()
    assert x.grad.tolist() == [0.0, -1.0]


def test_bce_of_certain_answers_is_finite() -> None:
    p = rl.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = nn.BCELoss(reduction="none")(p, rl.tensor([1.0, 0.0, 0.0, 1.0]))
    assert loss.tolist() == [100.0, 100.0, 0.0, 0.0]
    loss.sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), [-1e12, 1e12, 0, 0], rtol=1e-6)


def test_older_reduction_arguments() -> None:
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="please use reduction='none' instead"):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_shapes_that_broadcast_are_reported() -> None:
    with pytest.warns(UserWarning, match="target size .* different to the input size"):
        nn.L1Loss()(rl.ones(2, 3), rl.ones(3))


REFUSALS = [
    (
        lambda: nn.L1Loss(reduction="x")(rl.ones(1), rl.ones(1)),
        ValueError,
        "'?x'? is not a valid value for reduction",
    ),
    (
        lambda: nn.SmoothL1Loss(beta=-1.0)(rl.ones(1), rl.ones(1)),
        RuntimeError,
        "negative values for beta",
    ),
    (
        lambda: nn.HuberLoss(delta=0)(rl.ones(1), rl.ones(1)),
        RuntimeError,
        "non-positive values for delta, got 0",
    ),
    (
        lambda: nn.BCELoss()(rl.ones(2), rl.ones(3)),
        ValueError,
        "Target size .* must be the same as input size",
    ),
    (
        lambda: nn.BCELoss()(rl.tensor([1.5]), rl.ones(1)),
        RuntimeError,
        "got values from 1.5 to 1.5",
    ),
    (lambda: nn.BCEWithLogitsLoss()(rl.ones(2), rl.ones(3)), ValueError, "must be the same as input size"),
    (lambda: nn.CrossEntropyLoss()(rl.ones(2, 3), rl.tensor([0, 3])), IndexError, "(?i)target.* 3 .*out of"),
    (lambda: nn.CrossEntropyLoss()(rl.ones(2, 3), rl.tensor([0])), ValueError, "batch"),
]


@pytest.mark.parametrize(("call", "exception", "match"), REFUSALS, ids=[row[2][:40] for row in REFUSALS])
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)
