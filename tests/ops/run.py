"""Runs a row on a torch-like namespace: tensors in several memory layouts, forward, backward."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from tests.ops.case import Case, is_float

LAYOUTS = ("transposed", "strided", "expanded")
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


def make_tensor(torch: ModuleType, values: np.ndarray, dtype: str) -> Any:
    """A plain tensor of this dtype; float16 and bfloat16 are rounded from float32."""
    if not is_float(dtype) or dtype in ("float32", "float64"):
        return torch.tensor(np.ascontiguousarray(values, dtype=dtype).reshape(values.shape))
    return torch.tensor(values.astype(np.float32)).to(getattr(torch, dtype))


def lay_out(torch: ModuleType, values: np.ndarray, dtype: str, layout: str) -> Any:
    """The same values with other strides (and, for "strided", an odd storage offset)."""
    ndim = values.ndim
    if layout == "transposed":
        backwards = tuple(reversed(range(ndim)))
        return (
            make_tensor(torch, values.transpose(backwards).copy(), dtype).permute(*backwards)
            if ndim
            else make_tensor(torch, values, dtype)
        )
    if layout == "strided":
        if ndim == 0:
            return make_tensor(torch, np.stack([values, values]), dtype)[1]
        wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1] + 1), dtype=values.dtype)
        wide[..., 1::2] = values
        return make_tensor(torch, wide, dtype)[..., 1::2]
    if layout == "expanded":
        if ndim == 0 or 0 in values.shape:
            return make_tensor(torch, values, dtype)
        return make_tensor(torch, values[:1], dtype).expand(*values.shape)
    return make_tensor(torch, values, dtype)


def make_inputs(
    torch: ModuleType, case: Case, arrays: Sequence[np.ndarray], dtype: str, layout: str = "contiguous"
) -> list[Any]:
    return [lay_out(torch, a, i.dtype or dtype, layout) for i, a in zip(case.inputs, arrays, strict=True)]


def constant_rows(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays whose first dimension repeats one slice: what an expanded tensor can hold."""
    return [np.broadcast_to(a[:1], a.shape).copy() if a.ndim and a.size else a for a in arrays]


def to_numpy(tensor: Any) -> np.ndarray:
    """Values as float64, or in their own integer type."""
    tensor = tensor.detach()
    return np.asarray((tensor.double() if tensor.is_floating_point() else tensor).numpy())


def dtype_name(tensor: Any) -> str:
    return str(tensor.dtype).rsplit(".", 1)[-1]


def cotangents(torch: ModuleType, outputs: Sequence[Any], layout: str = "contiguous") -> list[Any]:
    """Gradients to send back, one for each differentiable output, fixed by its shape.

    "constant" gives a plain tensor with the values of "expanded".
    """
    rng = np.random.default_rng(7)
    values = [rng.uniform(-1, 1, tuple(o.shape)) for o in outputs]
    if layout == "constant":
        values, layout = constant_rows(values), "contiguous"
    return [
        lay_out(torch, v, dtype_name(o), layout)
        for v, o in zip(values, outputs, strict=True)
        if o.requires_grad
    ]


def forward_backward(
    torch: ModuleType, case: Case, inputs: Sequence[Any], grad_layout: str = "contiguous"
) -> tuple[tuple[Any, ...], list[Any]]:
    """Outputs, and the gradients of every floating input that takes one."""
    wanted = []
    for tensor, spec in zip(inputs, case.inputs, strict=True):
        if case.grad and spec.grad and tensor.is_floating_point():
            tensor.requires_grad_(True)
            wanted.append(tensor)
    outputs = case.run(torch, *inputs)
    sources = [o for o in outputs if o.requires_grad]
    if not wanted:
        return outputs, []
    assert sources, f"{case.id}: no output requires grad"
    grads = torch.autograd.grad(sources, wanted, cotangents(torch, outputs, grad_layout))
    return outputs, list(grads)


def assert_close(got: np.ndarray, want: np.ndarray, dtype: str, scale: float, what: str) -> None:
    """Equal shapes; floats within the tolerance, relative to max(|value|, 1); the rest exact."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if is_float(dtype):
        tolerance = TOLERANCE[dtype] * scale
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=what)
    else:
        np.testing.assert_array_equal(got, want, err_msg=what)
