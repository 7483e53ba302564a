"""Every layer of the table: its text, the shape it gives, that it pickles and trains; and wrong arguments."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from tests.helpers import check_raises
from tests.nn.cases import CASES, LayerCase


def draw(case: LayerCase, seed: int = 0) -> rl.Tensor:
    values = np.random.default_rng(seed).uniform(case.low, case.high, case.shape).astype(np.float32)
    return rl.from_numpy(values)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer(case: LayerCase) -> None:
    layer = case.make(nn)
    assert repr(layer) == case.text
    leaf = draw(case).requires_grad_()
    out = layer(leaf * 1)  # in-place layers may not write to a leaf
    assert tuple(out.shape) == case.out
    out.sum().backward()
    assert tuple(leaf.grad.shape) == case.shape
    for name, param in layer.named_parameters():
        assert param.grad is not None, name
        assert tuple(param.grad.shape) == tuple(param.shape)


@pytest.mark.parametrize("case", [c for c in CASES if c.check], ids=str)
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_compute_the_same(case: LayerCase, clone) -> None:
    layer = case.make(nn).eval()
    other = clone(layer)
    for mine, theirs in zip(layer.parameters(), other.parameters(), strict=True):
        assert mine is not theirs
        assert isinstance(theirs, nn.Parameter)
        assert theirs.requires_grad
    np.testing.assert_array_equal(layer(draw(case)).detach().numpy(), other(draw(case)).detach().numpy())


def test_linear_starts_within_its_bound() -> None:
    layer = nn.Linear(100, 50)
    for param in (layer.weight, layer.bias):
        values = param.detach().numpy()
        assert np.abs(values).max() <= 0.1
        assert np.abs(values).max() > 0.09
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        assert nn.Linear(0, 3).bias.detach().tolist() == [0.0, 0.0, 0.0]


def test_convolution_starts_within_its_bound() -> None:
    layer = nn.Conv2d(8, 16, 5, groups=2)
    bound = 1 / np.sqrt(4 * 25)
    assert tuple(layer.weight.shape) == (16, 4, 5, 5)
    assert 0.9 * bound < np.abs(layer.weight.detach().numpy()).max() <= bound
    assert np.abs(layer.bias.detach().numpy()).max() <= bound


def test_batch_norm_state() -> None:
    layer = nn.BatchNorm2d(3)
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    assert layer.num_batches_tracked.dtype == rl.int64
    x = rl.arange(2 * 3 * 4, dtype=rl.float32).view(2, 3, 2, 2)
    layer(x)
    mean = x.numpy().mean((0, 2, 3))
    variance = x.numpy().var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * mean, rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.9 + 0.1 * variance, rtol=1e-6)
    assert int(layer.num_batches_tracked) == 1
    layer.eval()
    out = layer(x).detach().numpy()
    scale = np.sqrt(layer.running_var.numpy() + 1e-5)[None, :, None, None]
    expected = (x.numpy() - layer.running_mean.numpy()[None, :, None, None]) / scale
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    assert int(layer.num_batches_tracked) == 1
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.running_var.tolist() == [1, 1, 1]
    assert int(layer.num_batches_tracked) == 0


def test_batch_norm_cumulative_average() -> None:
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [np.random.default_rng(i).normal(i, 1, (6, 2)).astype(np.float32) for i in range(3)]
    for batch in batches:
        layer(rl.from_numpy(batch))
    mean = np.mean([b.mean(0) for b in batches], 0)
    variance = np.mean([b.var(0, ddof=1) for b in batches], 0)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, rtol=1e-5)


def test_batch_norm_without_statistics_uses_the_batch_in_eval_mode() -> None:
    layer = nn.BatchNorm1d(2, track_running_stats=False).eval()
    assert list(layer.state_dict()) == ["weight", "bias"]
    out = layer(rl.tensor([[1.0, 5.0], [3.0, 9.0]])).detach().numpy()
    np.testing.assert_allclose(out, [[-1, -1], [1, 1]], rtol=1e-4)


def test_embedding() -> None:
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert repr(layer) == "Embedding(5, 3, padding_idx=4)"
    assert layer.weight[4].tolist() == [0, 0, 0]
    out = layer(rl.tensor([[0, 4], [2, 0]]))
    assert tuple(out.shape) == (2, 2, 3)
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[2.0] * 3, [0.0] * 3, [1.0] * 3, [0.0] * 3, [0.0] * 3]


def test_dropout_follows_mode() -> None:
    layer = nn.Dropout(0.5)
    x = rl.ones(1000)
    out = layer(x)
    assert set(out.tolist()) == {0.0, 2.0}
    assert 400 < int((out == 0).sum()) < 600
    layer.eval()
    assert layer(x).tolist() == x.tolist()
    assert nn.Dropout(1.0)(x).tolist() == [0.0] * 1000


def test_dropout2d_drops_whole_channels() -> None:
    out = nn.Dropout2d(0.5)(rl.ones(20, 10, 3, 3)).numpy()
    assert set(np.unique(out)) == {0.0, 2.0}
    assert (out == out[:, :, :1, :1]).all()


def test_max_pool_returns_indices() -> None:
    out, index = nn.MaxPool2d(2, return_indices=True)(rl.arange(16, dtype=rl.float32).view(1, 1, 4, 4))
    assert out.flatten().tolist() == [5, 7, 13, 15]
    assert index.flatten().tolist() == [5, 7, 13, 15]


def test_layers_take_a_dtype() -> None:
    for layer in (
        nn.Linear(2, 3, dtype=rl.float64),
        nn.Conv2d(2, 3, 1, dtype=rl.float64),
        nn.BatchNorm2d(2, dtype=rl.float64),
    ):
        assert all(p.dtype == rl.float64 for p in layer.parameters())
    assert nn.BatchNorm2d(2, dtype=rl.float64).num_batches_tracked.dtype == rl.int64


REFUSALS = [
    (
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        ValueError,
        "in_channels must be divisible by groups, got in_channels=3",
    ),
    (
        lambda: nn.Conv2d(4, 3, 3, groups=2),
        ValueError,
        "out_channels must be divisible by groups, got out_channels=3",
    ),
    (lambda: nn.Conv2d(4, 3, 3, groups=0), ValueError, "groups must be a positive integer, got 0"),
    (lambda: nn.Conv2d(4, 3, 3, padding="all"), ValueError, "Invalid padding string 'all'"),
    (
        lambda: nn.Conv2d(4, 3, 3, 2, padding="same"),
        ValueError,
        "padding='same' is not supported for strided",
    ),
    (
        lambda: nn.Conv2d(4, 3, 3, padding_mode="x"),
        ValueError,
        "padding_mode must be one of .* got padding_mode='x'",
    ),
    (lambda: nn.BatchNorm2d(3)(rl.ones(2, 3)), ValueError, r"expected 4D input \(got 2D input\)"),
    (lambda: nn.BatchNorm1d(3)(rl.ones(3)), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    (
        lambda: nn.BatchNorm1d(3)(rl.ones(1, 3)),
        ValueError,
        "Expected more than 1 value per channel when training",
    ),
    (
        lambda: nn.GroupNorm(3, 4),
        ValueError,
        "num_channels must be divisible by num_groups, got num_channels=4",
    ),
    (lambda: nn.GroupNorm(2, 4)(rl.ones(2, 3)), RuntimeError, "divisible by num_groups"),
    (lambda: nn.LayerNorm(4)(rl.ones(2, 3)), RuntimeError, r"Given normalized_shape=\[4\], expected input"),
    (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: nn.Hardtanh(1, 1), ValueError, "max_val must be greater than min_val, got min_val=1, max_val=1"),
    (
        lambda: nn.GLU()(rl.ones(3)),
        RuntimeError,
        "Halving dimension must be even, but dimension -1 is size 3",
    ),
    (lambda: nn.PReLU(3)(rl.ones(2, 4)), RuntimeError, "prelu: weight must have 1 element or one a channel"),
    (lambda: nn.Unflatten(1, 3), TypeError, "unflattened_size must be a tuple of ints, but found type int"),
    (lambda: nn.Unflatten(1, (2, 1.5)), TypeError, "found element of type float at pos 1"),
    (
        lambda: nn.Embedding(3, 2, 3),
        ValueError,
        "padding_idx must be within num_embeddings, got padding_idx=3",
    ),
    (lambda: nn.Linear(3, 2)(rl.ones(2, 4)), RuntimeError, r"(?s)linear|mat1 and mat2|shapes"),
]


@pytest.mark.parametrize(("call", "exception", "match"), REFUSALS, ids=[r[2][:40] for r in REFUSALS])
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)


def test_softmax_without_dim_warns() -> None:
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        out = nn.Softmax()(rl.zeros(2, 4))
    assert out.tolist() == [[0.25] * 4] * 2
