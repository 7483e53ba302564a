"""Convolution with bias, residual and ReLU in one pass."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch
from rushlight._core import ops

F = torch.nn.functional


@pytest.mark.parametrize(
    ("x", "weight", "options"),
    [
        ((2, 3, 9, 8), (5, 3, 3, 3), {"padding": 1}),
        ((1, 32, 20, 20), (40, 32, 3, 3), {"padding": 1}),
        ((3, 32, 21, 20), (40, 32, 3, 3), {"padding": 1, "stride": 2}),
        ((1, 64, 4, 4), (32, 64, 3, 3), {"padding": "same"}),
        ((2, 8, 7, 7), (8, 1, 3, 3), {"groups": 8}),
        ((0, 3, 5, 5), (4, 3, 3, 3), {}),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_equals_the_ops_one_after_the_other(
    x: tuple[int, ...], weight: tuple[int, ...], options: dict[str, Any], dtype: torch.dtype
) -> None:
    torch.manual_seed(3)
    image, kernel, bias = (torch.randn(*size).to(dtype) for size in (x, weight, weight[:1]))
    plain = F.conv2d(image, kernel, bias, **options)
    residual = torch.randn(*plain.shape).to(dtype)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    for more in (None, residual, residual.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)):
        for relu in (False, True):
            expected = plain if more is None else plain + more
            expected = F.relu(expected) if relu else expected
            got = ops.conv2d_fused(image, kernel, bias, **options, residual=more, relu=relu)
            assert got.dtype == dtype
            assert torch.allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_refuses_what_would_need_a_graph() -> None:
    x, weight = torch.randn(1, 2, 4, 4), torch.randn(3, 2, 3, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="no backward; use it under no_grad"):
        ops.conv2d_fused(x, weight)
    with torch.no_grad():
        assert ops.conv2d_fused(x, weight).shape == (1, 3, 2, 2)


def test_refuses_a_residual_of_another_shape_or_dtype() -> None:
    x, weight = torch.randn(1, 2, 4, 4), torch.randn(3, 2, 3, 3)
    for residual in (torch.zeros(1, 3, 2, 1), torch.zeros(1, 3, 2, 2, dtype=torch.float64)):
        with pytest.raises(RuntimeError, match=r"\(1, 3, 2, 2\) float32|1, 3, 2, 2.*float32.*got"):
            ops.conv2d_fused(x, weight, residual=residual)
