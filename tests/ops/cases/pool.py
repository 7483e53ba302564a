"""Pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.case import FLOATS, Case, Refusal, real

F = "nn.functional."


def windows(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, fill: float
) -> Any:
    """(batch, channel, out_h, out_w, kh * kw): each window's values, ``fill`` outside the input."""
    (kh, kw), (ph, pw), (dh, dw) = (
        v if isinstance(v, tuple) else (v, v) for v in (kernel, padding, dilation)
    )
    sh, sw = (kh, kw) if stride is None else stride if isinstance(stride, tuple) else (stride, stride)

    def count(size: int, k: int, s: int, p: int, d: int) -> int:
        span = size + 2 * p - d * (k - 1) - 1
        out = -(-span // s) + 1 if ceil_mode else span // s + 1
        return out - 1 if ceil_mode and (out - 1) * s >= size + p else out  # a window must start inside

    out_h, out_w = count(x.shape[-2], kh, sh, ph, dh), count(x.shape[-1], kw, sw, pw, dw)
    extra = ((0, 0), (0, 0), (ph, ph + kh * dh + sh), (pw, pw + kw * dw + sw))
    padded = np.pad(x, extra, constant_values=fill)
    taps = [
        padded[:, :, i * dh : i * dh + sh * (out_h - 1) + 1 : sh, j * dw : j * dw + sw * (out_w - 1) + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]
    return np.stack(taps, -1)


def max_pool(
    x: Any, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    return np.max(windows(x, kernel, stride, padding, dilation, ceil_mode, -np.inf), -1)


def avg_pool(
    x: Any,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    total = np.nansum(windows(x, kernel, stride, padding, 1, ceil_mode, np.nan), -1)
    if divisor_override:
        return total / divisor_override
    pad = padding if isinstance(padding, tuple) else (padding, padding)
    ones = np.ones_like(x)
    if count_include_pad:
        ones = np.pad(ones, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2), constant_values=1.0)
        return (
            total
            / np.sum(windows(ones, kernel, stride, 0, 1, ceil_mode, 0.0), -1)[
                :, :, : total.shape[2], : total.shape[3]
            ]
        )
    return total / np.sum(windows(ones, kernel, stride, padding, 1, ceil_mode, 0.0), -1)


def adaptive_avg_pool(x: Any, out_h: int, out_w: int) -> Any:
    height, width = x.shape[-2:]
    out = np.empty((*x.shape[:-2], out_h, out_w))
    for i in range(out_h):
        for j in range(out_w):
            rows = slice(i * height // out_h, -(-(i + 1) * height // out_h))
            columns = slice(j * width // out_w, -(-(j + 1) * width // out_w))
            out[..., i, j] = x[..., rows, columns].mean((-2, -1))
    return out


def adaptive_max_pool(x: Any, out_h: int, out_w: int) -> Any:
    height, width = x.shape[-2:]
    out = np.empty((*x.shape[:-2], out_h, out_w))
    for i in range(out_h):
        for j in range(out_w):
            rows = slice(i * height // out_h, -(-(i + 1) * height // out_h))
            columns = slice(j * width // out_w, -(-(j + 1) * width // out_w))
            out[..., i, j] = x[..., rows, columns].max((-2, -1))
    return out


def row(op: str, shape: tuple[int, ...], label: str, large: Any = (), **params: Any) -> Case:
    fn = max_pool if op == "max_pool2d" else avg_pool
    named = {**params, "kernel": params["kernel_size"]}
    del named["kernel_size"]
    return Case(
        F + op,
        (real(*shape, distinct=op == "max_pool2d"),),
        kwargs=params,
        label=label,
        large=large,
        reference=lambda x: fn(x, **named),
        dtypes=FLOATS,
    )


CASES = [
    row("max_pool2d", (2, 2, 4, 6), "2", kernel_size=2, large=((2, 35, 33, 31),)),
    row("max_pool2d", (1, 2, 5, 5), "resnet", kernel_size=3, stride=2, padding=1, large=((2, 64, 32, 32),)),
    row("max_pool2d", (1, 1, 6, 7), "asymmetric", kernel_size=(3, 2), stride=(1, 2), padding=(1, 0)),
    row("max_pool2d", (1, 1, 7, 7), "dilated", kernel_size=2, stride=1, dilation=2),
    row("max_pool2d", (1, 1, 6, 5), "ceil", kernel_size=2, stride=2, ceil_mode=True),
    row("max_pool2d", (0, 2, 4, 4), "no-batch", kernel_size=2),
    Case(
        F + "max_pool2d",
        (real(2, 4, 4, distinct=True),),
        (2,),
        reference=lambda x: max_pool(x[None], 2)[0],
        label="unbatched",
    ),
    row("avg_pool2d", (2, 2, 4, 6), "2", kernel_size=2, large=((2, 35, 33, 31),)),
    row("avg_pool2d", (1, 2, 5, 5), "padded", kernel_size=3, stride=2, padding=1),
    row(
        "avg_pool2d", (1, 2, 5, 5), "without-pad", kernel_size=3, stride=2, padding=1, count_include_pad=False
    ),
    row("avg_pool2d", (1, 1, 6, 7), "asymmetric", kernel_size=(3, 2), stride=(1, 2), padding=(1, 0)),
    row("avg_pool2d", (1, 1, 5, 5), "divisor", kernel_size=2, divisor_override=3),
    row("avg_pool2d", (1, 1, 6, 5), "ceil", kernel_size=2, stride=2, ceil_mode=True, count_include_pad=False),
    row("avg_pool2d", (0, 2, 4, 4), "no-batch", kernel_size=2),
    *(
        Case(
            F + "adaptive_avg_pool2d",
            (real(*shape),),
            (size,),
            label=f"{size}".replace(" ", ""),
            large=large,
            reference=lambda x, s=size: adaptive_avg_pool(x, *(s if isinstance(s, tuple) else (s, s))),
        )
        for shape, size, large in (
            ((2, 3, 4, 5), 1, ((3, 65, 7, 7),)),
            ((1, 2, 6, 6), (3, 2), ()),
            ((1, 2, 5, 7), (3, 4), ()),
            ((1, 2, 2, 2), (3, 3), ()),
            ((0, 2, 4, 4), 1, ()),
            ((2, 5, 5), 2, ()),
        )
    ),
    Case(
        F + "adaptive_avg_pool2d",
        (real(1, 2, 4, 5),),
        ((None, 2),),
        label="None",
        reference=lambda x: adaptive_avg_pool(x, 4, 2),
    ),
    *(
        Case(
            F + "adaptive_max_pool2d",
            (real(*shape, distinct=True),),
            (size,),
            label=f"{size}".replace(" ", ""),
            reference=lambda x, s=size: adaptive_max_pool(x, *(s if isinstance(s, tuple) else (s, s))),
        )
        for shape, size in (((2, 3, 4, 5), 1), ((1, 2, 5, 7), (3, 4)), ((2, 5, 5), 2))
    ),
]


def _pool(op: str, shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Any:
    return lambda t: getattr(t.nn.functional, op)(t.ones(*shape), *args, **kwargs)


REFUSALS = [
    row
    for op in ("max_pool2d", "avg_pool2d")
    for row in (
        Refusal(
            F + op,
            "dims",
            _pool(op, (3, 3), 2),
            RuntimeError if op == "max_pool2d" else IndexError,
            "3, 3|-3",
        ),
        Refusal(F + op, "kernel-zero", _pool(op, (1, 1, 4, 4), 0), RuntimeError, "kernel"),
        Refusal(F + op, "stride-zero", _pool(op, (1, 1, 4, 4), 2, 0), RuntimeError, "stride"),
        Refusal(F + op, "padding-too-big", _pool(op, (1, 1, 4, 4), 2, 2, 2), RuntimeError, "(?i)pad"),
        Refusal(F + op, "output-empty", _pool(op, (1, 1, 2, 2), 3), RuntimeError, "(?i)output|small"),
    )
] + [
    Refusal(
        F + "adaptive_max_pool2d",
        "dims",
        _pool("adaptive_max_pool2d", (3, 3), (1, 1)),
        ValueError,
        "3, 3|3D",
    ),
    Refusal(
        F + "avg_pool2d",
        "divisor-zero",
        _pool("avg_pool2d", (1, 1, 4, 4), 2, divisor_override=0),
        RuntimeError,
        "divisor",
    ),
    Refusal(
        F + "adaptive_avg_pool2d", "dims", _pool("adaptive_avg_pool2d", (3, 3), (1, 1)), ValueError, "3, 3|3D"
    ),
    Refusal(
        F + "adaptive_avg_pool2d",
        "negative",
        _pool("adaptive_avg_pool2d", (1, 1, 3, 3), -1),
        RuntimeError,
        "-1",
    ),
]
