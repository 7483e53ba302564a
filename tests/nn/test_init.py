"""`nn.init`: distributions, bounds, structure, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.nn import init
from tests.helpers import check_raises


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1),
        ("conv2d", None, 1),
        ("conv_transpose3d", None, 1),
        ("sigmoid", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 0.5, math.sqrt(2 / 1.25)),
        ("selu", None, 0.75),
    ],
)
def test_gain(name: str, param: float | None, gain: float) -> None:
    assert init.calculate_gain(name, param) == pytest.approx(gain)


# (function, standard deviation, largest magnitude or None) on a weight with fan-in 600 and fan-out 400
DISTRIBUTIONS = [
    (lambda w: init.uniform_(w, -2, 2), 4 / math.sqrt(12), 2),
    (lambda w: init.normal_(w, 0, 3), 3, None),
    (lambda w: init.xavier_uniform_(w, gain=2), 2 * math.sqrt(2 / 1000), 2 * math.sqrt(6 / 1000)),
    (lambda w: init.xavier_normal_(w), math.sqrt(2 / 1000), None),
    (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 600), math.sqrt(6 / 600)),
    (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 400), None),
    (lambda w: init.kaiming_normal_(w, a=1), math.sqrt(1 / 600), None),
    (lambda w: init.trunc_normal_(w, 0, 1, -0.5, 0.5), 0.2837, 0.5),
]


@pytest.mark.parametrize(("fill", "std", "bound"), DISTRIBUTIONS)
def test_distribution(fill, std: float, bound: float | None) -> None:
    rl.manual_seed(0)
    weight = nn.Parameter(rl.zeros(100, 150, 2, 2))
    assert fill(weight) is weight
    assert weight.requires_grad
    assert weight.grad_fn is None
    values = weight.detach().numpy()
    assert values.std() == pytest.approx(std, rel=0.02)
    assert abs(values.mean()) < 0.02 * std
    if bound is not None:
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert np.abs(values).max() > 0.99 * bound


def test_generator_makes_it_repeatable() -> None:
    first, second = (
        init.kaiming_normal_(rl.empty(3, 4), generator=rl.Generator().manual_seed(5)).tolist()
        for _ in range(2)
    )
    assert first == second
    assert init.uniform_(rl.empty(3), generator=rl.Generator().manual_seed(6)).tolist() != first


def test_constants() -> None:
    assert init.ones_(rl.empty(2)).tolist() == [1, 1]
    assert init.zeros_(rl.empty(2)).tolist() == [0, 0]
    assert init.constant_(rl.empty(2), 7).tolist() == [7, 7]
    assert init.eye_(rl.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_dirac_passes_channels_through() -> None:
    weight = init.dirac_(rl.empty(4, 2, 3, 3), groups=2)
    x = rl.arange(4 * 16, dtype=rl.float32).view(1, 4, 4, 4)
    assert nn.functional.conv2d(x, weight, padding=1, groups=2).tolist() == x.tolist()
    assert float(init.dirac_(rl.empty(5, 2, 3)).sum()) == 2


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (6, 2, 2)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(rl.empty(*shape), gain=2).numpy().reshape(shape[0], -1) / 2
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: init.calculate_gain("swish"), "Unsupported nonlinearity swish"),
        (lambda: init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
        (lambda: init.xavier_uniform_(rl.empty(3)), r"fewer than 2 dimensions, got shape \(3,\)"),
        (lambda: init.kaiming_normal_(rl.empty(3, 3), mode="fan"), "Mode fan not supported"),
        (lambda: init.eye_(rl.empty(3)), "Only tensors with 2 dimensions are supported"),
        (lambda: init.dirac_(rl.empty(3, 3)), "Only tensors with 3, 4, or 5 dimensions are supported"),
        (lambda: init.dirac_(rl.empty(3, 3, 1), groups=2), "dim 0 must be divisible by groups"),
        (lambda: init.orthogonal_(rl.empty(3)), "2 or more dimensions"),
    ],
)
def test_refusals(call, match: str) -> None:
    check_raises(call, ValueError, match)


def test_warnings() -> None:
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(rl.empty(0, 3))
    with pytest.warns(UserWarning, match="mean is more than 2 std"):
        init.trunc_normal_(rl.empty(3), mean=10)
