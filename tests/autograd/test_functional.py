"""jacobian, hessian and the products with vectors, against closed formulas."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import functional
from tests.helpers import check_raises

A = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])
X = np.array([0.3, -0.7, 1.1])


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def linear(x: torch.Tensor) -> torch.Tensor:
    return (tensor(A) * x).sum(1)


def cubic(x: torch.Tensor) -> torch.Tensor:
    return (x**3).sum() + x[0] * x[1]


HESSIAN = np.diag(6 * X) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])


def test_jacobian() -> None:
    np.testing.assert_allclose(functional.jacobian(linear, tensor(X)).numpy(), A)
    pair = functional.jacobian(lambda x, y: (x * y, x.sum()), (tensor(X), tensor(X + 1)))
    np.testing.assert_allclose(pair[0][0].numpy(), np.diag(X + 1))
    np.testing.assert_allclose(pair[0][1].numpy(), np.diag(X))
    np.testing.assert_allclose(pair[1][0].numpy(), np.ones(3))
    np.testing.assert_allclose(pair[1][1].numpy(), np.zeros(3))


def test_jacobian_of_matrices() -> None:
    found = functional.jacobian(lambda x: x.t(), tensor(A))
    assert tuple(found.shape) == (3, 2, 2, 3)
    np.testing.assert_allclose(found.numpy(), np.einsum("il,jk->ijkl", np.eye(3), np.eye(2)))


def test_hessian() -> None:
    np.testing.assert_allclose(functional.hessian(cubic, tensor(X)).numpy(), HESSIAN)
    blocks = functional.hessian(lambda x, y: (x * y).sum(), (tensor(X), tensor(X)))
    np.testing.assert_allclose(blocks[0][1].numpy(), np.eye(3))
    np.testing.assert_allclose(blocks[0][0].numpy(), np.zeros((3, 3)))


def test_products() -> None:
    v = np.array([1.0, -2.0, 0.5])
    value, product = functional.vjp(linear, tensor(X), tensor(v[:2]))
    np.testing.assert_allclose(value.numpy(), A @ X)
    np.testing.assert_allclose(product.numpy(), v[:2] @ A)
    value, product = functional.jvp(linear, tensor(X), tensor(v))
    np.testing.assert_allclose(product.numpy(), A @ v)
    _, product = functional.jvp(lambda x: x**2, tensor(X), tensor(v))
    np.testing.assert_allclose(product.numpy(), 2 * X * v)
    for fn in (functional.hvp, functional.vhp):
        value, product = fn(cubic, tensor(X), tensor(v))
        np.testing.assert_allclose(value.item(), np.sum(X**3) + X[0] * X[1])
        np.testing.assert_allclose(product.numpy(), HESSIAN @ v)


def test_results_are_plain_unless_asked() -> None:
    x = tensor(X).requires_grad_()
    assert not functional.jacobian(cubic, x).requires_grad
    slope = functional.jacobian(cubic, x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(second.numpy(), HESSIAN.sum(0))


def test_refusals() -> None:
    check_raises(lambda: functional.hessian(linear, tensor(X)), RuntimeError, r"single element.*\(2,\)")
    check_raises(lambda: functional.vjp(linear, tensor(X)), RuntimeError, "v can be left out")
    check_raises(lambda: functional.vjp(linear, tensor(X), tensor(X)), RuntimeError, r"\(2,\).*\(3,\)")
    check_raises(lambda: functional.jacobian(lambda x: 1.0, tensor(X)), TypeError, "float")
    check_raises(
        lambda: functional.jacobian(lambda x, y: x, (tensor(X), tensor(X)), strict=True),
        RuntimeError,
        "input 1",
    )


def test_drawing() -> None:
    pytest.importorskip("graphviz")
    a = tensor(X).requires_grad_()
    source = torch.autograd.graph.draw((a * a).sum(), {"a": a}).source
    assert source.count("MulBackward0") == 1
    assert "SumBackward0" in source
    assert "(3,)" in source
    check_raises(lambda: torch.autograd.graph.draw(a), RuntimeError, "no grad_fn")
