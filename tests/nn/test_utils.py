"""Clipping of gradients; parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.nn import utils


def params() -> list[nn.Parameter]:
    result = [nn.Parameter(rl.zeros(2)), nn.Parameter(rl.zeros(1, 2)), nn.Parameter(rl.zeros(3))]
    result[0].grad = rl.tensor([3.0, -4.0])
    result[1].grad = rl.tensor([[0.0, 12.0]])
    return result  # the third has no gradient


@pytest.mark.parametrize(
    ("p", "norm"), [(2.0, 13.0), (1.0, 19.0), (math.inf, 12.0), (3, (27 + 64 + 12**3) ** (1 / 3))]
)
def test_clip_grad_norm(p: float, norm: float) -> None:
    tensors = params()
    assert float(utils.clip_grad_norm_(tensors, norm / 2, norm_type=p)) == pytest.approx(norm)
    np.testing.assert_allclose(tensors[0].grad.numpy(), [1.5, -2.0], rtol=1e-5)
    np.testing.assert_allclose(tensors[1].grad.numpy(), [[0.0, 6.0]], rtol=1e-5)
    tensors = params()
    utils.clip_grad_norm_(iter(tensors), 100.0, p)
    assert tensors[0].grad.tolist() == [3.0, -4.0]


def test_clip_grad_norm_edges() -> None:
    tensors = params()
    assert float(utils.clip_grad_norm_(tensors[0], 1.0)) == 5.0
    assert float(utils.clip_grad_norm_([tensors[2]], 1.0)) == 0.0
    tensors[0].grad = rl.tensor([math.inf, 1.0])
    with pytest.raises(RuntimeError, match=r"norm of order 2.0 for gradients .* is non-finite"):
        utils.clip_grad_norm_(tensors, 1.0, error_if_nonfinite=True)


def test_clip_grad_value() -> None:
    tensors = params()
    utils.clip_grad_value_(tensors, 3.5)
    assert tensors[0].grad.tolist() == [3.0, -3.5]
    assert tensors[1].grad.tolist() == [[0.0, 3.5]]


def test_vector() -> None:
    layer = nn.Linear(2, 2)
    vector = utils.parameters_to_vector(layer.parameters())
    assert tuple(vector.shape) == (6,)
    assert vector.requires_grad
    utils.vector_to_parameters(rl.arange(6, dtype=rl.float32), layer.parameters())
    assert layer.weight.tolist() == [[0, 1], [2, 3]]
    assert layer.bias.tolist() == [4, 5]
    assert isinstance(layer.bias, nn.Parameter)
    with pytest.raises(ValueError, match="parameters' 6 elements, got 5"):
        utils.vector_to_parameters(rl.zeros(5), layer.parameters())
    with pytest.raises(TypeError, match=r"expected torch.Tensor, but got: list"):
        utils.vector_to_parameters([1.0], layer.parameters())
