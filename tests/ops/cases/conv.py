"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.case import Case, Refusal, real

F = "nn.functional."


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The definition, tap by tap."""
    stride, padding, dilation = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation))
    batch, _, height, width = x.shape
    out_channels, in_group, kh, kw = weight.shape
    out_h = (height + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    out_w = (width + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    out = np.zeros((batch, out_channels, out_h, out_w))
    per_group = out_channels // groups
    for g in range(groups):
        rows = slice(g * per_group, (g + 1) * per_group)
        for i in range(kh):
            for j in range(kw):
                top, left = i * dilation[0], j * dilation[1]
                taps = padded[
                    :,
                    g * in_group : (g + 1) * in_group,
                    top : top + stride[0] * (out_h - 1) + 1 : stride[0],
                    left : left + stride[1] * (out_w - 1) + 1 : stride[1],
                ]
                out[:, rows] += np.einsum("nchw,oc->nohw", taps, weight[rows, :, i, j])
    return out if bias is None else out + bias[:, None, None]


def row(
    x: tuple[int, ...],
    weight: tuple[int, ...],
    label: str,
    bias: bool = True,
    large: Any = (),
    gradgrad: bool | str = True,
    **params: Any,
) -> Case:
    inputs = (real(*x), real(*weight)) + ((real(weight[0]),) if bias else ())
    return Case(
        F + "conv2d",
        inputs,
        kwargs=params,
        label=label,
        rtol=8,
        large=large,
        gradgrad=gradgrad,
        reference=lambda a, w, b=None: conv2d(a, w, b, **params),
    )


def conv1d(x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
    return conv2d(x[:, :, None], weight[:, :, None], bias, (1, stride), (0, padding), 1, groups)[:, :, 0]


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, extra: int = 0
) -> Any:
    """The adjoint of conv2d: every input pixel adds its multiple of the kernel to the result."""
    batch, _, height, width = x.shape
    _, out_channels, kh, kw = weight.shape
    out = np.zeros(
        (batch, out_channels, (height - 1) * stride + kh + extra, (width - 1) * stride + kw + extra)
    )
    for i in range(height):
        for j in range(width):
            place = (
                slice(None),
                slice(None),
                slice(i * stride, i * stride + kh),
                slice(j * stride, j * stride + kw),
            )
            out[place] += np.einsum("nc,cohw->nohw", x[:, :, i, j], weight)
    out = out[:, :, padding : out.shape[2] - padding, padding : out.shape[3] - padding]
    return out if bias is None else out + bias[:, None, None]


BIG = "the same formula on a smaller shape above"

CASES = [
    Case(F + "conv1d", (real(2, 2, 6), real(3, 2, 3), real(3)), label="plain", rtol=8, reference=conv1d),
    Case(
        F + "conv1d",
        (real(1, 4, 7), real(4, 2, 3)),
        kwargs={"stride": 2, "padding": 1, "groups": 2},
        label="groups",
        rtol=8,
        reference=lambda x, w: conv1d(x, w, None, 2, 1, 2),
    ),
    Case(
        F + "conv_transpose2d",
        (real(1, 2, 3, 3), real(2, 3, 2, 3), real(3)),
        label="plain",
        rtol=8,
        reference=conv_transpose2d,
    ),
    Case(
        F + "conv_transpose2d",
        (real(1, 2, 3, 2), real(2, 2, 3, 3)),
        kwargs={"stride": 2, "padding": 1, "output_padding": 1},
        label="strided",
        rtol=8,
        reference=lambda x, w: conv_transpose2d(x, w, None, 2, 1, 1),
    ),
    row((1, 2, 4, 5), (3, 2, 3, 3), "plain", large=((3, 17, 33, 31), (35, 17, 3, 3), (35,))),
    row((1, 2, 4, 4), (2, 2, 3, 3), "padded", bias=False, padding=1, large=((3, 16, 28, 28), (32, 16, 3, 3))),
    row(
        (1, 2, 5, 5),
        (2, 2, 3, 3),
        "stride2",
        bias=False,
        stride=2,
        padding=1,
        large=((2, 16, 29, 27), (33, 16, 3, 3)),
    ),
    row((2, 2, 3, 3), (3, 2, 1, 1), "1x1", bias=False, large=((3, 64, 14, 14), (65, 64, 1, 1))),
    row(
        (1, 2, 5, 4),
        (2, 2, 1, 1),
        "1x1-stride2",
        bias=False,
        stride=2,
        large=((3, 64, 15, 14), (128, 64, 1, 1)),
    ),
    row((1, 1, 6, 5), (2, 1, 2, 3), "asymmetric", stride=(2, 1), padding=(0, 1), dilation=(2, 1)),
    row((1, 2, 6, 6), (2, 2, 3, 3), "dilated", dilation=2, padding=2, bias=False),
    row(
        (1, 4, 4, 4),
        (4, 2, 3, 3),
        "groups2",
        groups=2,
        padding=1,
        large=((2, 32, 15, 15), (64, 16, 3, 3), (64,)),
        gradgrad=True,
    ),
    row(
        (1, 3, 4, 4),
        (6, 1, 3, 3),
        "depthwise",
        groups=3,
        padding=1,
        bias=False,
        large=((2, 3, 65, 65), (6, 1, 3, 3)),
    ),
    row(
        (2, 3, 9, 9),
        (4, 3, 7, 7),
        "stem",
        bias=False,
        stride=2,
        padding=3,
        gradgrad=BIG,
        large=((2, 3, 65, 67), (64, 3, 7, 7)),
    ),
    row((1, 2, 3, 3), (1, 2, 3, 3), "one-pixel"),
    row((2, 17, 5, 7), (19, 17, 3, 3), "odd-channels", padding=1, bias=False, gradgrad=BIG),
    row((0, 2, 4, 4), (3, 2, 3, 3), "no-batch", padding=1),
    row((1, 2, 4, 4), (2, 2, 3, 3), "stride-skips-rows", bias=False, stride=3),
    Case(
        F + "conv2d",
        (real(2, 4, 4), real(3, 2, 3, 3), real(3)),
        label="unbatched",
        rtol=8,
        reference=lambda a, w, b: conv2d(a[None], w, b)[0],
    ),
    Case(
        F + "conv2d",
        (real(1, 2, 4, 5), real(3, 2, 3, 2)),
        kwargs={"padding": "same"},
        label="same",
        rtol=8,
        reference=lambda a, w: conv2d(np.pad(a, ((0, 0), (0, 0), (1, 1), (0, 1))), w),
    ),
    Case(
        F + "conv2d",
        (real(1, 2, 4, 5), real(3, 2, 3, 2)),
        kwargs={"padding": "valid"},
        label="valid",
        rtol=8,
        reference=conv2d,
    ),
]


def _conv(t: Any, x: tuple[int, ...], w: tuple[int, ...], *args: Any, **kwargs: Any) -> Any:
    return t.nn.functional.conv2d(t.ones(*x), t.ones(*w), *args, **kwargs)


REFUSALS = [
    Refusal(
        F + "conv2d",
        "channels",
        lambda t: _conv(t, (8, 3, 5, 5), (6, 4, 3, 3)),
        RuntimeError,
        r"8, 3, 5, 5.*6, 4, 3, 3|6, 4, 3, 3.*8, 3, 5, 5",
    ),
    Refusal(
        F + "conv2d",
        "dims",
        lambda t: _conv(t, (5, 5), (6, 4, 3, 3)),
        RuntimeError,
        r"3D|4D|\(5, 5\)|\[5, 5\]",
    ),
    Refusal(
        F + "conv2d",
        "kernel-too-big",
        lambda t: _conv(t, (1, 2, 2, 2), (1, 2, 3, 3)),
        RuntimeError,
        r"2.*3|3.*2",
    ),
    Refusal(
        F + "conv2d",
        "bias",
        lambda t: _conv(t, (1, 2, 4, 4), (3, 2, 3, 3), t.ones(4)),
        RuntimeError,
        r"3.*4|4.*3",
    ),
    Refusal(
        F + "conv2d", "groups", lambda t: _conv(t, (1, 4, 4, 4), (3, 2, 3, 3), groups=2), RuntimeError, r"3"
    ),
    Refusal(
        F + "conv2d",
        "groups-zero",
        lambda t: _conv(t, (1, 4, 4, 4), (3, 4, 3, 3), groups=0),
        RuntimeError,
        "groups",
    ),
    Refusal(
        F + "conv2d",
        "stride-zero",
        lambda t: _conv(t, (1, 4, 4, 4), (3, 4, 3, 3), stride=0),
        RuntimeError,
        "stride",
    ),
    Refusal(
        F + "conv2d",
        "padding-negative",
        lambda t: _conv(t, (1, 4, 4, 4), (3, 4, 3, 3), padding=-1),
        RuntimeError,
        "padding",
    ),
    Refusal(
        F + "conv2d",
        "dilation-zero",
        lambda t: _conv(t, (1, 4, 4, 4), (3, 4, 3, 3), dilation=0),
        RuntimeError,
        "dilation",
    ),
    Refusal(
        F + "conv2d",
        "padding-word",
        lambda t: _conv(t, (1, 4, 4, 4), (3, 4, 3, 3), padding="full"),
        RuntimeError,
        "full",
    ),
    Refusal(
        F + "conv2d",
        "same-strided",
        lambda t: _conv(t, (1, 4, 4, 4), (3, 4, 3, 3), padding="same", stride=2),
        RuntimeError,
        "same",
    ),
    Refusal(
        F + "conv2d",
        "dtypes",
        lambda t: t.nn.functional.conv2d(t.ones(1, 2, 4, 4), t.ones(3, 2, 3, 3, dtype=t.float64)),
        RuntimeError,
        "(?i)type",
    ),
]
