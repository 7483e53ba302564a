"""Batch normalisation and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.case import Case, Refusal, constant, real

F = "nn.functional."
BIG = "the same formula on a smaller shape above"


def batch_norm(
    x: Any,
    mean: Any,
    var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    eps: float = 1e-5,
) -> Any:
    axes = (0, *range(2, x.ndim))
    if training:
        mean, var = x.mean(axes), x.var(axes)
    shape = (1, -1, *[1] * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    if weight is not None:
        y = y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def train(shape: tuple[int, ...], label: str, affine: bool = True, large: Any = (), **options: Any) -> Case:
    """Batch statistics; no running statistics."""
    channels = shape[1]
    inputs = (real(*shape), *((real(channels), real(channels)) if affine else ()))
    return Case(
        F + "batch_norm",
        inputs,
        label=label,
        rtol=8,
        large=large,
        call=lambda t, x, w=None, b=None: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
        reference=lambda x, w=None, b=None: batch_norm(x, None, None, w, b, training=True),
        **options,
    )


def evaluate(shape: tuple[int, ...], label: str, affine: bool = True, large: Any = ()) -> Case:
    """Running statistics."""
    channels = shape[1]
    inputs = (
        real(*shape),
        constant(channels),
        constant(channels, low=0.5),
        *((real(channels), real(channels)) if affine else ()),
    )
    return Case(F + "batch_norm", inputs, label=label, rtol=8, large=large, reference=batch_norm)


def _running(t: Any, x: Any, mean: Any, var: Any) -> Any:
    """The updated statistics are the result: momentum 0.3, unbiased variance."""
    mean, var = mean.clone(), var.clone()
    t.nn.functional.batch_norm(x, mean, var, training=True, momentum=0.3)
    return mean, var


CASES = [
    train((3, 2, 2, 3), "train", large=((4, 67, 17, 15), (67,), (67,))),
    train((4, 3), "train-1d", large=((513, 67), (67,), (67,))),
    train((2, 3, 4), "train-3d"),
    train((3, 2, 2, 2), "train-plain", affine=False),
    train((5, 17, 3, 3), "train-odd", gradgrad=BIG),
    evaluate((3, 2, 2, 3), "eval", large=((4, 67, 17, 15), (67,), (67,), (67,), (67,))),
    evaluate((4, 3), "eval-1d"),
    evaluate((3, 2, 2, 2), "eval-plain", affine=False),
    evaluate((0, 2, 2, 2), "eval-empty"),
    Case(
        F + "batch_norm",
        (real(3, 2, 2, 2), constant(2), constant(2, low=0.5)),
        call=_running,
        label="running",
        rtol=4,
        grad=False,
        reference=lambda x, m, v: (
            0.7 * m + 0.3 * x.mean((0, 2, 3)),
            0.7 * v + 0.3 * x.var((0, 2, 3), ddof=1),
        ),
    ),
    Case(
        F + "batch_norm",
        (real(4, 2, 3, 3, low=1e3, high=1e3 + 1),),
        label="far-from-zero",
        dtypes=("float32",),
        grad=False,
        rtol=20,
        call=lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
        reference=lambda x: batch_norm(x.astype(np.float32).astype(np.float64), None, None, training=True),
    ),
]


def norm_relu(t: Any, x: Any, *others: Any) -> Any:
    """relu(batch_norm(x) + residual) of weight, bias[, residual]; PyTorch by single steps."""
    weight, bias, *residual = others
    if hasattr(t, "_core"):
        return t.ops.batch_norm_relu(
            x, None, None, weight, bias, training=True, residual=residual[0] if residual else None
        )
    out = t.nn.functional.batch_norm(x, None, None, weight, bias, training=True)
    return t.relu(out + residual[0] if residual else out)


def norm_relu_case(shape: tuple[int, ...], label: str, residual: bool, **options: Any) -> Case:
    channels = shape[1]
    return Case(
        "ops.batch_norm_relu",
        (real(*shape), real(channels), real(channels), *((real(*shape),) if residual else ())),
        call=norm_relu,
        label=label,
        rtol=8,
        reference=lambda x, w, b, *r: np.maximum(
            batch_norm(x, None, None, w, b, training=True) + (r[0] if r else 0.0), 0.0
        ),
        **options,
    )


LARGE_NORM = ((4, 67, 17, 15), (67,), (67,))
CASES += [
    norm_relu_case((3, 2, 2, 3), "alone", residual=False, large=LARGE_NORM),
    norm_relu_case((3, 2, 2, 3), "residual", residual=True, large=(*LARGE_NORM, LARGE_NORM[0])),
    norm_relu_case((4, 3), "1d", residual=True),
    norm_relu_case((5, 17, 3, 3), "odd", residual=False, gradgrad=BIG),
]


def norm_relu_pool(t: Any, x: Any, weight: Any, bias: Any) -> Any:
    """max_pool2d(relu(batch_norm(x))) behind a convolution with the unit matrix: channels-last inside."""
    channels = x.shape[1]
    x = t.nn.functional.conv2d(x, t.eye(channels, dtype=x.dtype).reshape(channels, channels, 1, 1))
    if hasattr(t, "_core"):
        return t.ops.batch_norm_relu_max_pool2d(
            x, None, None, weight, bias, True, 0.1, 1e-5, kernel_size=3, stride=2, padding=1
        )
    out = t.nn.functional.batch_norm(x, None, None, weight, bias, training=True)
    return t.nn.functional.max_pool2d(t.relu(out), 3, 2, 1)


def relu_pool_reference(x: Any, weight: Any, bias: Any) -> Any:
    out = np.maximum(batch_norm(x, None, None, weight, bias, training=True), 0.0)
    height, width = ((size + 1) // 2 for size in out.shape[2:])
    padded = np.pad(out, ((0, 0), (0, 0), (1, 2), (1, 2)))
    shifts = [
        padded[:, :, i:, j:][:, :, : 2 * height : 2, : 2 * width : 2] for i in range(3) for j in range(3)
    ]
    return np.max(shifts, axis=0)


CASES += [
    Case(
        "ops.batch_norm_relu_max_pool2d",
        (real(*shape), real(shape[1]), real(shape[1])),
        call=norm_relu_pool,
        reference=relu_pool_reference,
        label=label,
        rtol=8,
        **options,
    )
    for shape, label, options in (
        ((2, 2, 4, 5), "even", {"large": LARGE_NORM}),
        ((2, 17, 3, 3), "odd", {"gradgrad": BIG}),
        ((1, 3, 2, 1), "narrow", {}),
    )
]


def layer_norm(x: Any, weight: Any = 1.0, bias: Any = 0.0, axes: tuple[int, ...] = (-1,)) -> Any:
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def group_norm(x: Any, groups: int, weight: Any, bias: Any) -> Any:
    grouped = x.reshape(x.shape[0], groups, -1)
    shape = (1, -1, *[1] * (x.ndim - 2))
    return layer_norm(grouped).reshape(x.shape) * weight.reshape(shape) + bias.reshape(shape)


CASES += [
    Case(
        F + "layer_norm",
        (real(2, 3, 4), real(4), real(4)),
        call=lambda t, x, w, b: t.nn.functional.layer_norm(x, (4,), w, b),
        reference=layer_norm,
        rtol=8,
    ),
    Case(
        F + "layer_norm",
        (real(2, 3, 4),),
        call=lambda t, x: t.nn.functional.layer_norm(x, (3, 4)),
        reference=lambda x: layer_norm(x, axes=(1, 2)),
        label="two-dims",
        rtol=8,
    ),
    Case(
        F + "layer_norm",
        (real(5, 67), real(67), real(67)),
        call=lambda t, x, w, b: t.nn.functional.layer_norm(x, (67,), w, b),
        reference=layer_norm,
        label="odd",
        rtol=8,
        large=((600, 67), (67,), (67,)),
        gradgrad=BIG,
    ),
    Case(
        F + "layer_norm",
        (real(3, 4), real(4)),
        call=lambda t, x, w: t.nn.functional.layer_norm(x, (4,), w),
        reference=layer_norm,
        label="no-bias",
        rtol=8,
    ),
    Case(
        F + "layer_norm",
        (real(0, 4), real(4), real(4)),
        call=lambda t, x, w, b: t.nn.functional.layer_norm(x, (4,), w, b),
        reference=layer_norm,
        label="empty",
    ),
    Case(
        F + "layer_norm",
        (real(3, 40, low=1e3, high=1e3 + 1),),
        call=lambda t, x: t.nn.functional.layer_norm(x, (40,)),
        reference=lambda x: layer_norm(x.astype(np.float32).astype(np.float64)),
        label="far-from-zero",
        dtypes=("float32",),
        grad=False,
        rtol=20,
    ),
    Case(
        F + "group_norm",
        (real(2, 4, 3), real(4), real(4)),
        call=lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b),
        reference=lambda x, w, b: group_norm(x, 2, w, b),
        rtol=8,
    ),
    Case(
        F + "normalize",
        (real(3, 4, low=0.5),),
        reference=lambda x: x / np.sqrt(np.sum(x * x, 1, keepdims=True)),
        rtol=2,
    ),
    Case(
        F + "normalize",
        (real(3, 4, low=0.5),),
        kwargs={"p": 1, "dim": 0},
        reference=lambda x: x / np.sum(np.abs(x), 0),
        label="p1",
        rtol=2,
    ),
]

REFUSALS = [
    Refusal(
        F + "layer_norm",
        "weight",
        lambda t: t.nn.functional.layer_norm(t.ones(2, 3), (3,), t.ones(2)),
        RuntimeError,
        r"3.*2|2.*3",
    ),
    Refusal(
        F + "layer_norm",
        "shape",
        lambda t: t.nn.functional.layer_norm(t.ones(2, 3), (4,)),
        RuntimeError,
        r"4.*3|3.*4",
    ),
    Refusal(
        F + "group_norm",
        "channels",
        lambda t: t.nn.functional.group_norm(t.ones(2, 3, 2), 2),
        RuntimeError,
        r"3.*2|2.*3",
    ),
    Refusal(
        F + "batch_norm",
        "one-value",
        lambda t: t.nn.functional.batch_norm(t.ones(1, 3, 1, 1), None, None, training=True),
        ValueError,
        r"1, 3, 1, 1",
    ),
    Refusal(
        F + "batch_norm",
        "no-statistics",
        lambda t: t.nn.functional.batch_norm(t.ones(2, 3), None, None),
        RuntimeError,
        "running_mean",
    ),
    Refusal(
        F + "batch_norm",
        "channels",
        lambda t: t.nn.functional.batch_norm(t.ones(2, 3), t.ones(4), t.ones(4)),
        RuntimeError,
        r"3.*4|4.*3",
    ),
    Refusal(
        F + "batch_norm",
        "weight",
        lambda t: t.nn.functional.batch_norm(t.ones(2, 3), t.ones(3), t.ones(3), t.ones(2)),
        RuntimeError,
        r"3|2",
    ),
]
