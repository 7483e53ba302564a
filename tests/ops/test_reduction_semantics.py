"""What the op table does not say of reductions, picking, losses and pooling: names, ties, NaN, big sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch

NAN = float("nan")
GRAD_NAMES: list[tuple[str, Callable[[Any], Any]]] = [
    ("SumBackward0", lambda x: x.sum()),
    ("SumBackward1", lambda x: x.sum(0)),
    ("MeanBackward0", lambda x: x.mean()),
    ("MeanBackward1", lambda x: x.mean(0)),
    ("ProdBackward0", lambda x: x.prod()),
    ("ProdBackward1", lambda x: x.prod(1)),
    ("MaxBackward0", lambda x: x.max(0).values),
    ("MaxBackward1", lambda x: x.max()),
    ("MinBackward0", lambda x: x.min(0).values),
    ("MinBackward1", lambda x: x.min()),
    ("AmaxBackward0", lambda x: x.amax()),
    ("AminBackward0", lambda x: x.amin(0)),
    ("VarBackward0", lambda x: x.var()),
    ("StdBackward0", lambda x: x.std()),
    ("LogsumexpBackward0", lambda x: x.logsumexp(0)),
    ("LinalgVectorNormBackward0", lambda x: x.norm()),
    ("CumsumBackward0", lambda x: x.cumsum(0)),
    ("CumprodBackward0", lambda x: x.cumprod(0)),
    ("SortBackward0", lambda x: x.sort().values),
    ("TopkBackward0", lambda x: x.topk(1).values),
    ("KthvalueBackward0", lambda x: x.kthvalue(1).values),
    ("SoftmaxBackward0", lambda x: x.softmax(0)),
    ("LogSoftmaxBackward0", lambda x: x.log_softmax(0)),
    ("GatherBackward0", lambda x: x.gather(0, torch.tensor([[0, 1, 0]]))),
    ("ScatterBackward0", lambda x: x.scatter(0, torch.tensor([[0, 1, 0]]), torch.ones(1, 3))),
    ("ScatterBackward1", lambda x: x.scatter(0, torch.tensor([[0, 1, 0]]), 2.0)),
    ("ScatterAddBackward0", lambda x: x.scatter_add(0, torch.tensor([[0, 1, 0]]), torch.ones(1, 3))),
    ("IndexSelectBackward0", lambda x: x.index_select(0, torch.tensor([1]))),
    ("IndexAddBackward0", lambda x: x.index_add(0, torch.tensor([1]), torch.ones(1, 3))),
    ("MaskedSelectBackward0", lambda x: x.masked_select(x > 0)),
    ("EmbeddingBackward0", lambda x: torch.ops.embedding(torch.tensor([1]), x)),
    ("MseLossBackward0", lambda x: torch.ops.mse_loss(x, torch.zeros(2, 3))),
    ("SmoothL1LossBackward0", lambda x: torch.ops.smooth_l1_loss(x, torch.zeros(2, 3))),
    ("HuberLossBackward0", lambda x: torch.ops.huber_loss(x, torch.zeros(2, 3))),
    ("NllLossBackward0", lambda x: torch.ops.cross_entropy(x, torch.tensor([0, 2]))),
    ("NllLoss2DBackward0", lambda x: torch.ops.nll_loss(x.view(1, 2, 3, 1), torch.zeros(1, 3, 1).long())),
    ("NativeBatchNormBackward0", lambda x: torch.ops.batch_norm(x, None, None, training=True)),
    ("MaxPool2DWithIndicesBackward0", lambda x: torch.ops.max_pool2d(x.view(1, 1, 2, 3), 2)),
    ("AvgPool2DBackward0", lambda x: torch.ops.avg_pool2d(x.view(1, 1, 2, 3), 2)),
    ("AdaptiveAvgPool2DBackward0", lambda x: torch.ops.adaptive_avg_pool2d(x.view(1, 1, 2, 3), (2, 1))),
]


@pytest.mark.parametrize(("name", "call"), GRAD_NAMES, ids=[name for name, _ in GRAD_NAMES])
def test_grad_fn_has_pytorchs_name(name: str, call: Callable[[Any], Any]) -> None:
    x = torch.tensor([[0.5, 0.25, 0.75], [1.0, 2.0, 3.0]], requires_grad=True)
    assert call(x).grad_fn.name() == name


def test_cross_entropy_is_nll_of_log_softmax() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    loss = torch.ops.cross_entropy(x, torch.tensor([0, 2]))
    assert loss.grad_fn.next_functions[0][0].name() == "LogSoftmaxBackward0"


def test_named_results() -> None:
    result = torch.tensor([[1.0, 3.0], [2.0, 0.0]]).max(1)
    assert isinstance(result, torch.return_types.max)
    assert isinstance(result, tuple)
    assert result.values.tolist() == [3.0, 2.0]
    assert result.indices.tolist() == [1, 0]
    text = "torch.return_types.max(\nvalues=tensor([3., 2.]),\nindices=tensor([1, 0]))"
    assert repr(result) == text


def test_nan_wins() -> None:
    x = torch.tensor([[1.0, NAN, 3.0], [NAN, 0.0, NAN]])
    assert x.argmax(1).tolist() == [1, 0]
    assert x.argmin(1).tolist() == [1, 0]
    assert np.isnan(x.max().item())
    assert np.isnan(x.amin(0).tolist()[0])
    assert x.sort(1).indices.tolist() == [[0, 2, 1], [1, 0, 2]]


def test_ties_share_the_gradient_without_dim_and_go_first_with_dim() -> None:
    x = torch.tensor([2.0, 1.0, 2.0], requires_grad=True)
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.0, 0.5]
    x.grad = None
    x.max(0).values.backward()
    assert x.grad.tolist() == [1.0, 0.0, 0.0]


def test_big_sums_are_accurate() -> None:
    values = np.random.default_rng(0).random(3_000_001).astype(np.float32)
    x = torch.tensor(values)
    exact = values.astype(np.float64).sum()
    assert abs(x.sum().item() - exact) <= np.spacing(np.float32(exact))
    assert abs(x.view(1, -1).sum(1).item() - exact) <= np.spacing(np.float32(exact))


def test_reductions_of_views() -> None:
    values = np.arange(60.0).reshape(3, 4, 5)
    x = torch.tensor(values)[:, 1:, ::2].permute(2, 0, 1)
    expected = values[:, 1:, ::2].transpose(2, 0, 1)
    np.testing.assert_allclose(x.sum((0, 2)).numpy(), expected.sum((0, 2)))
    np.testing.assert_allclose(x.var(1).numpy(), expected.var(1, ddof=1))
    assert x.argmax().item() == expected.argmax()
    np.testing.assert_allclose(x.cumsum(1).numpy(), expected.cumsum(1))


def test_in_place_forms_track_the_change() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    y.scatter_(0, torch.tensor([0]), torch.tensor([5.0]))
    y.scatter_add_(0, torch.tensor([1, 1]), torch.ones(2))
    y.index_add_(0, torch.tensor([2]), torch.ones(1), alpha=3.0)
    assert y.tolist() == [5.0, 3.0, 4.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0]


def test_embedding_sums_repeated_rows_but_not_padding() -> None:
    weight = torch.ones(3, 2, requires_grad=True)
    torch.ops.embedding(torch.tensor([0, 2, 0, 1]), weight, padding_idx=1).sum().backward()
    assert weight.grad.tolist() == [[2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]


def test_a_wrong_class_is_named_with_its_position() -> None:
    with pytest.raises(
        IndexError, match=r"Target 7 is out of bounds: position 1 .* from 0 to 2 \(3 classes\)"
    ):
        torch.ops.cross_entropy(torch.ones(2, 3), torch.tensor([0, 7]))


def test_all_targets_ignored_gives_nan_as_in_pytorch() -> None:
    loss = torch.ops.cross_entropy(torch.ones(1, 3), torch.tensor([-100]))
    assert np.isnan(loss.item())


def test_losses_warn_when_they_broadcast() -> None:
    with pytest.warns(UserWarning, match="Using a target size"):
        torch.ops.mse_loss(torch.ones(2, 1), torch.ones(2))


def test_max_pool_returns_positions() -> None:
    x = torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    values, indices = torch.ops.max_pool2d(x, 2, return_indices=True)
    assert values.tolist() == [[[4.0]]]
    assert indices.tolist() == [[[2]]]


def test_pooling_of_channels_last_storage() -> None:
    """A convolution's result is stored channels-last: pooling must not care."""
    x = torch.tensor(np.random.default_rng(0).standard_normal((2, 3, 9, 8)))
    weight = torch.tensor(np.eye(3).reshape(3, 3, 1, 1))
    stored = torch.ops.conv2d(x, weight)
    for pool in (
        lambda t: torch.ops.max_pool2d(t, 3, 2, 1),
        lambda t: torch.ops.avg_pool2d(t, 2),
        lambda t: torch.ops.adaptive_avg_pool2d(t, (2, 3)),
        lambda t: torch.ops.batch_norm(t, None, None, training=True),
        lambda t: t.mean((0, 2)),
        lambda t: t.argmax(),
    ):
        np.testing.assert_allclose(pool(stored).numpy(), pool(x).numpy(), rtol=1e-12)


@pytest.mark.parametrize("values", [[1.0, float("inf")], [float("inf"), 1.0], [1.0] * 40 + [float("-inf")]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_variance_around_an_infinity_is_nan(values: list[float], dtype: str) -> None:
    tensor = torch.tensor(values, dtype=getattr(torch, dtype))
    assert math.isnan(tensor.var().item())
    assert math.isnan(tensor[:, None].std(0).item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logsumexp_of_long_rows(dtype: Any) -> None:
    """Rows longer than a piece of work; infinities and NaN in one piece decide the whole row."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(5, 150_000)) * 3
    rows[0] -= 500.0
    rows[1, 70_000] = np.inf
    rows[2, :] = -np.inf
    rows[3, 140_000] = np.nan
    rows[4, :70_000] = -np.inf
    x = torch.from_numpy(rows).to(dtype)
    top = np.array([np.max(rows[0]), 0, 0, 0, np.max(rows[4])])
    with np.errstate(all="ignore"):
        expected = np.log(np.exp(rows - top[:, None]).sum(1)) + top
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(x.logsumexp(1).numpy(), expected, rtol=tolerance)
    np.testing.assert_allclose(x.view(5, 300, 500).logsumexp((1, 2)).numpy(), expected, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 1), (3, 15), (17, 16), (300, 65), (2, 5000), (700, 300)])
def test_sums_of_half_precision(dtype: Any, shape: tuple[int, int]) -> None:
    """Summed in float32 or better, rounded once."""
    x = torch.from_numpy(np.random.default_rng(4).normal(size=shape) + 0.25).to(dtype)
    exact = x.to(torch.float64)
    for dims in (0, 1, (0, 1)):
        for values, reference in ((x, exact), (x[:, ::2], exact[:, ::2]), (x.t(), exact.t())):
            error = (values.sum(dims).to(torch.float64) - reference.sum(dims)).abs()
            step = 2.0**-8 if dtype == torch.bfloat16 else 2.0**-11
            assert bool((error <= step * reference.sum(dims).abs() + 1e-4).all())
