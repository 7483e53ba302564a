"""One row a layer and setting: how to make it, what to feed it, how it prints, what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerCase:
    """A layer made by `make(nn)`, called on uniform random inputs of the given shapes.

    `check` is False where the output is random (dropout); `low` and `high` bound the inputs.
    """

    text: str
    make: Callable[[Any], Any]
    shape: tuple[int, ...]
    out: tuple[int, ...]
    check: bool = True
    low: float = -2.0
    high: float = 2.0

    def __str__(self) -> str:
        return self.text.split("\n")[0]


_IMAGE = (2, 4, 7, 5)

CASES = [
    LayerCase("Identity()", lambda nn: nn.Identity(54, unused=1), (3, 2), (3, 2)),
    LayerCase(
        "Linear(in_features=5, out_features=3, bias=True)", lambda nn: nn.Linear(5, 3), (2, 4, 5), (2, 4, 3)
    ),
    LayerCase(
        "Linear(in_features=5, out_features=3, bias=False)", lambda nn: nn.Linear(5, 3, False), (5,), (3,)
    ),
    LayerCase(
        "Conv1d(4, 6, kernel_size=(3,), stride=(2,), padding=(1,))",
        lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1),
        (2, 4, 9),
        (2, 6, 5),
    ),
    LayerCase(
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1))", lambda nn: nn.Conv2d(4, 6, 3), _IMAGE, (2, 6, 5, 3)
    ),
    LayerCase(
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1))",
        lambda nn: nn.Conv2d(4, 6, 3),
        _IMAGE[1:],
        (6, 5, 3),
    ),
    LayerCase(
        "Conv2d(4, 6, kernel_size=(3, 2), stride=(2, 1), padding=(1, 2), bias=False)",
        lambda nn: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), bias=False),
        _IMAGE,
        (2, 6, 4, 8),
    ),
    LayerCase(
        "Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=(2, 2), dilation=(2, 2), groups=4)",
        lambda nn: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4),
        _IMAGE,
        (2, 8, 7, 5),
    ),
    LayerCase(
        "Conv2d(4, 2, kernel_size=(4, 3), stride=(1, 1), padding=same)",
        lambda nn: nn.Conv2d(4, 2, (4, 3), padding="same"),
        _IMAGE,
        (2, 2, 7, 5),
    ),
    LayerCase(
        "Conv2d(4, 2, kernel_size=(2, 2), stride=(2, 2), padding=valid)",
        lambda nn: nn.Conv2d(4, 2, 2, stride=2, padding="valid"),
        _IMAGE,
        (2, 2, 3, 2),
    ),
    *[
        LayerCase(
            f"Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 1), padding=(2, 1), padding_mode={mode})",
            lambda nn, mode=mode: nn.Conv2d(4, 2, 3, padding=(2, 1), padding_mode=mode),
            _IMAGE,
            (2, 2, 9, 5),
        )
        for mode in ("reflect", "replicate", "circular")
    ],
    LayerCase(
        "BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        lambda nn: nn.BatchNorm1d(4),
        (5, 4),
        (5, 4),
    ),
    LayerCase(
        "BatchNorm1d(4, eps=0.01, momentum=0.3, affine=False, bias=False, track_running_stats=True)",
        lambda nn: nn.BatchNorm1d(4, 0.01, 0.3, affine=False),
        (5, 4, 3),
        (5, 4, 3),
    ),
    LayerCase(
        "BatchNorm2d(4, eps=1e-05, momentum=None, affine=True, bias=True, track_running_stats=True)",
        lambda nn: nn.BatchNorm2d(4, momentum=None),
        _IMAGE,
        _IMAGE,
    ),
    LayerCase(
        "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=False, track_running_stats=False)",
        lambda nn: nn.BatchNorm2d(4, track_running_stats=False, bias=False),
        _IMAGE,
        _IMAGE,
    ),
    LayerCase(
        "LayerNorm((7, 5), eps=1e-05, elementwise_affine=True, bias=True)",
        lambda nn: nn.LayerNorm((7, 5)),
        _IMAGE,
        _IMAGE,
    ),
    LayerCase(
        "LayerNorm((5,), eps=0.1, elementwise_affine=True, bias=False)",
        lambda nn: nn.LayerNorm(5, 0.1, bias=False),
        (3, 5),
        (3, 5),
    ),
    LayerCase(
        "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)", lambda nn: nn.GroupNorm(2, 4), _IMAGE, _IMAGE
    ),
    LayerCase(
        "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)",
        lambda nn: nn.MaxPool2d(3, 2, 1),
        _IMAGE,
        (2, 4, 4, 3),
    ),
    LayerCase(
        "MaxPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0, dilation=1, ceil_mode=True)",
        lambda nn: nn.MaxPool2d((2, 3), ceil_mode=True),
        _IMAGE,
        (2, 4, 4, 2),
    ),
    LayerCase(
        "AvgPool2d(kernel_size=3, stride=2, padding=1)",
        lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        _IMAGE,
        (2, 4, 4, 3),
    ),
    LayerCase(
        "AdaptiveAvgPool2d(output_size=(1, 1))",
        lambda nn: nn.AdaptiveAvgPool2d((1, 1)),
        _IMAGE,
        (2, 4, 1, 1),
    ),
    LayerCase(
        "AdaptiveAvgPool2d(output_size=(3, None))",
        lambda nn: nn.AdaptiveAvgPool2d((3, None)),
        _IMAGE,
        (2, 4, 3, 5),
    ),
    LayerCase("AdaptiveMaxPool2d(output_size=2)", lambda nn: nn.AdaptiveMaxPool2d(2), _IMAGE, (2, 4, 2, 2)),
    LayerCase("Flatten(start_dim=1, end_dim=-1)", lambda nn: nn.Flatten(), _IMAGE, (2, 140)),
    LayerCase(
        "Unflatten(dim=1, unflattened_size=(2, -1))", lambda nn: nn.Unflatten(1, (2, -1)), (3, 8), (3, 2, 4)
    ),
    LayerCase("ZeroPad2d((1, 1, 1, 1))", lambda nn: nn.ZeroPad2d(1), _IMAGE, (2, 4, 9, 7)),
    LayerCase(
        "ConstantPad2d(padding=(1, 2, 3, -1), value=1.5)",
        lambda nn: nn.ConstantPad2d((1, 2, 3, -1), 1.5),
        _IMAGE,
        (2, 4, 9, 8),
    ),
    LayerCase(
        "ReflectionPad2d((1, 2, 3, 0))", lambda nn: nn.ReflectionPad2d((1, 2, 3, 0)), _IMAGE, (2, 4, 10, 8)
    ),
    LayerCase("ReplicationPad2d((2, 2, 2, 2))", lambda nn: nn.ReplicationPad2d(2), _IMAGE, (2, 4, 11, 9)),
    LayerCase(
        "CircularPad2d((1, 2, 3, 4))", lambda nn: nn.CircularPad2d((1, 2, 3, 4)), _IMAGE, (2, 4, 14, 8)
    ),
    LayerCase("Dropout(p=0.5, inplace=False)", lambda nn: nn.Dropout(), (4, 6), (4, 6), check=False),
    LayerCase(
        "Dropout2d(p=0.3, inplace=True)", lambda nn: nn.Dropout2d(0.3, True), _IMAGE, _IMAGE, check=False
    ),
    LayerCase("Dropout(p=0.0, inplace=False)", lambda nn: nn.Dropout(0.0), (4, 6), (4, 6)),
    LayerCase("Softmax(dim=1)", lambda nn: nn.Softmax(1), (3, 4), (3, 4)),
    LayerCase("LogSoftmax(dim=-1)", lambda nn: nn.LogSoftmax(-1), (3, 4), (3, 4)),
    LayerCase("Softmin(dim=0)", lambda nn: nn.Softmin(0), (3, 4), (3, 4)),
    LayerCase("GLU(dim=-1)", lambda nn: nn.GLU(), (3, 4), (3, 2)),
    LayerCase("PReLU(num_parameters=1)", lambda nn: nn.PReLU(), (3, 4), (3, 4)),
    LayerCase("PReLU(num_parameters=4)", lambda nn: nn.PReLU(4, 0.1), _IMAGE, _IMAGE),
]

# Activations without parameters: constructor text, which is also how they print.
ACTIVATIONS = [
    "ReLU()",
    "ReLU(inplace=True)",
    "ReLU6()",
    "LeakyReLU(negative_slope=0.01)",
    "LeakyReLU(negative_slope=0.2, inplace=True)",
    "ELU(alpha=1.0)",
    "ELU(alpha=1.5, inplace=True)",
    "CELU(alpha=0.5)",
    "SELU()",
    "GELU(approximate='none')",
    "GELU(approximate='tanh')",
    "SiLU()",
    "SiLU(inplace=True)",
    "Mish()",
    "Sigmoid()",
    "Tanh()",
    "Softplus(beta=1.0, threshold=20.0)",
    "Softplus(beta=2.0, threshold=3.0)",
    "Softsign()",
    "LogSigmoid()",
    "Tanhshrink()",
    "Hardtanh(min_val=-1.0, max_val=1.0)",
    "Hardtanh(min_val=-2, max_val=0.5, inplace=True)",
    "Hardswish()",
    "Hardsigmoid()",
    "Threshold(threshold=0.1, value=-3)",
]

CASES += [
    LayerCase(text, lambda nn, text=text: eval("nn." + text, {"nn": nn}), (5, 9), (5, 9), low=-8.0, high=8.0)
    for text in ACTIVATIONS
]
