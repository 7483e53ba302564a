"""Composed functions of `nn.functional`: values by NumPy formulas, gradients by gradcheck, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F
from tests.helpers import check_raises

X = np.array([-30.0, -5.0, -1.5, -0.3, 0.2, 0.7, 2.5, 5.5, 30.0])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def relu6(x: Any) -> Any:
    return np.clip(x, 0, 6)


ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
erf = np.vectorize(math.erf)

POINTWISE: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("relu", F.relu, lambda x: np.maximum(x, 0)),
    ("relu6", F.relu6, relu6),
    ("hardtanh", lambda x: F.hardtanh(x, -2, 3), lambda x: np.clip(x, -2, 3)),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    ("elu", lambda x: F.elu(x, 1.5), lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0)))),
    ("selu", F.selu, lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0)))),
    ("celu", lambda x: F.celu(x, 2), lambda x: np.maximum(x, 0) + np.minimum(0, 2 * np.expm1(x / 2))),
    ("silu", F.silu, lambda x: x * sigmoid(x)),
    ("mish", F.mish, lambda x: x * np.tanh(np.logaddexp(0, x))),
    ("gelu", F.gelu, lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2)))),
    (
        "gelu_tanh",
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    ("softplus", F.softplus, lambda x: np.logaddexp(0, x)),
    (
        "softplus_beta",
        lambda x: F.softplus(x, 2, 4),
        lambda x: np.where(2 * x > 4, x, np.logaddexp(0, 2 * x) / 2),
    ),
    ("logsigmoid", F.logsigmoid, lambda x: -np.logaddexp(0, -x)),
    ("softsign", F.softsign, lambda x: x / (1 + np.abs(x))),
    ("tanhshrink", F.tanhshrink, lambda x: x - np.tanh(x)),
    ("hardsigmoid", F.hardsigmoid, lambda x: relu6(x + 3) / 6),
    ("hardswish", F.hardswish, lambda x: x * relu6(x + 3) / 6),
    ("threshold", lambda x: F.threshold(x, 0.5, -2), lambda x: np.where(x > 0.5, x, -2)),
]


@pytest.mark.parametrize(("name", "function", "reference"), POINTWISE, ids=[row[0] for row in POINTWISE])
def test_pointwise(name: str, function: Any, reference: Any) -> None:
    np.testing.assert_allclose(function(rl.from_numpy(X)).numpy(), reference(X), rtol=1e-12, atol=1e-14)
    # At +-30 differences of an exponential's tail say nothing; far values are covered above.
    near = rl.from_numpy(X[1:-1].copy()).requires_grad_()
    assert rl.autograd.gradcheck(function, (near,))
    assert rl.autograd.gradgradcheck(function, (near,))


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "hardswish"]
)
def test_in_place_forms(name: str) -> None:
    leaf = rl.from_numpy(X.copy()).requires_grad_()
    other = rl.from_numpy(X.copy()).requires_grad_()
    base = leaf * 1
    out = getattr(F, name)(base, inplace=True)
    assert out.data_ptr() == base.data_ptr()
    expected = getattr(F, name)(other)
    assert base.tolist() == expected.tolist()
    out.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), other.grad.numpy(), rtol=1e-9, atol=1e-15)


def test_hardtanh_has_no_gradient_at_its_bounds() -> None:
    x = rl.tensor([-1.0, 0.5, 1.0], requires_grad=True)
    F.hardtanh(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 0]


def test_far_values_stay_finite() -> None:
    x = rl.tensor([-1000.0, 1000.0], requires_grad=True)
    for function in (F.elu, F.selu, F.softplus, F.logsigmoid, F.mish, F.silu, F.gelu):
        x.grad = None
        out = function(x)
        out.sum().backward()
        assert np.isfinite(out.detach().numpy()).all(), function
        assert np.isfinite(x.grad.numpy()).all(), function


PADS = [
    ((1, 2, 0, 0), "reflect"),
    ((2, 0, 1, 1), "reflect"),
    ((1, 2, 3, 4), "circular"),
    ((3, 1, 0, 6), "replicate"),
]


@pytest.mark.parametrize(("pad", "mode"), PADS)
def test_pad_modes(pad: tuple[int, ...], mode: str) -> None:
    x = np.arange(2 * 4 * 5, dtype=np.float64).reshape(1, 2, 4, 5)
    widths = [(0, 0)] * (4 - len(pad) // 2) + [pad[i : i + 2] for i in range(len(pad) - 2, -1, -2)]
    expected = np.pad(x, widths, mode={"replicate": "edge", "circular": "wrap"}.get(mode, mode))
    leaf = rl.from_numpy(x).requires_grad_()
    np.testing.assert_array_equal(F.pad(leaf, pad, mode=mode).detach().numpy(), expected)
    assert rl.autograd.gradcheck(lambda t: F.pad(t, pad, mode=mode), (leaf,))


def test_pad_constant_and_negative() -> None:
    x = rl.ones(2, 3)
    assert F.pad(x, (1, 0), value=5).tolist() == [[5, 1, 1, 1]] * 2
    assert tuple(F.pad(x, [-1, 0, 2, -1]).shape) == (3, 2)
    assert F.pad(rl.arange(5.0).view(1, 5), (-1, 2), mode="replicate").tolist() == [[1, 2, 3, 4, 4, 4]]


def test_dropout_scales_and_backpropagates_its_mask() -> None:
    x = rl.ones(100, requires_grad=True)
    out = F.dropout(x, 0.75)
    assert set(out.tolist()) <= {0.0, 4.0}
    out.sum().backward()
    assert x.grad.tolist() == out.tolist()
    assert F.dropout(x, 0.75, training=False).tolist() == [1.0] * 100
    y = rl.ones(100)
    assert F.dropout(y, 0.5, inplace=True).data_ptr() == y.data_ptr()
    assert set(y.tolist()) == {0.0, 2.0}


def test_layer_and_group_norm() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (2, 4, 3))
    weight, bias = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    centred = x - x.mean((1, 2), keepdims=True)
    expected = centred / np.sqrt((centred**2).mean((1, 2), keepdims=True) + 1e-5) * weight + bias
    tensors = [rl.from_numpy(a).requires_grad_() for a in (x, weight, bias)]
    out = F.layer_norm(tensors[0], (4, 3), tensors[1], tensors[2])
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-12)
    assert rl.autograd.gradcheck(lambda t, w, b: F.layer_norm(t, (4, 3), w, b), tensors)
    groups = x.reshape(2, 2, 6)
    centred = groups - groups.mean(2, keepdims=True)
    expected = (centred / np.sqrt((centred**2).mean(2, keepdims=True) + 1e-5)).reshape(x.shape)
    np.testing.assert_allclose(F.group_norm(tensors[0], 2).detach().numpy(), expected, rtol=1e-12)


def test_embedding_and_one_hot() -> None:
    weight = rl.arange(6, dtype=rl.float64).view(3, 2).requires_grad_()
    index = rl.tensor([[2, 0], [2, 1]])
    assert F.embedding(index, weight).tolist() == [[[4, 5], [0, 1]], [[4, 5], [2, 3]]]
    F.embedding(index, weight, padding_idx=-1).sum().backward()
    assert weight.grad.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert F.one_hot(rl.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(rl.tensor([[1]]), 2).tolist() == [[[0, 1]]]
    assert F.one_hot(rl.tensor([1])).dtype == rl.int64


def test_normalize() -> None:
    x = rl.tensor([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(F.normalize(x).numpy(), [[0.6, 0.8], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(F.normalize(x, p=1, dim=0).numpy(), [[1, 1], [0, 0]])


def test_conv1d_equals_a_sliding_product() -> None:
    x, w = rl.arange(6, dtype=rl.float32).view(1, 1, 6), rl.tensor([[[1.0, 2.0]]])
    assert F.conv1d(x, w).tolist() == [[[2, 5, 8, 11, 14]]]
    assert F.conv1d(x, w, rl.tensor([1.0]), stride=2, padding=1).tolist() == [[[1, 6, 12, 6]]]
    assert tuple(F.conv1d(x, w, padding="same").shape) == (1, 1, 6)


REFUSALS = [
    (lambda: F.celu(rl.ones(1), 0), ValueError, "celu: alpha must not be 0"),
    (
        lambda: F.gelu(rl.ones(1), approximate="x"),
        RuntimeError,
        "approximate argument must be either none or tanh",
    ),
    (lambda: F.dropout(rl.ones(1), -0.1), ValueError, "between 0 and 1, but got -0.1"),
    (lambda: F.dropout2d(rl.ones(1, 1), 2), ValueError, "between 0 and 1, but got 2"),
    (
        lambda: F.pad(rl.ones(2, 3), (1, 1), mode="mirror"),
        NotImplementedError,
        "Unrecognised padding mode mirror",
    ),
    (lambda: F.pad(rl.ones(2, 3), (1, 1), "reflect", 2), ValueError, "doesn't take in value argument"),
    (
        lambda: F.pad(rl.ones(2, 3), (3, 1), "reflect"),
        RuntimeError,
        r"less than the corresponding input dimension, but got: padding \(3, 1\)",
    ),
    (
        lambda: F.pad(rl.ones(2, 3), (0, 4), "circular"),
        RuntimeError,
        "at most the corresponding input dimension",
    ),
    (lambda: F.one_hot(rl.tensor([-1])), RuntimeError, "Class values must be non-negative"),
    (lambda: F.one_hot(rl.tensor([3]), 3), RuntimeError, "Class values must be smaller than num_classes"),
    (lambda: F.glu(rl.tensor(1.0)), RuntimeError, "glu does not support 0-dimensional tensors"),
]


@pytest.mark.parametrize(("call", "exception", "match"), REFUSALS, ids=[row[2][:40] for row in REFUSALS])
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)
