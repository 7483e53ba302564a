"""Every convolution of ResNet-18, three directions: forward, gradient of the input, of the weight."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType

import numpy as np

from bench.compare import Call, Candidates, Case
from bench.environment import libraries
from bench.layers import Conv, resnet18

FORMATS = {"torch": "contiguous_format", "torch channels-last": "channels_last"}


def _call(library: ModuleType, conv: Conv, batch: int, dtype: str, direction: str, layout: str = "") -> Call:
    """The call for one library; `layout` is the memory format of its tensors."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, conv.channels_in, conv.size, conv.size), dtype=np.float32)
    w = rng.standard_normal((conv.channels_out, conv.channels_in, conv.kernel, conv.kernel), dtype=np.float32)
    image, weight = (library.from_numpy(values).to(getattr(library, dtype)) for values in (x, w))
    if layout:
        image = image.contiguous(memory_format=getattr(library, layout))
        weight = weight.contiguous(memory_format=getattr(library, layout))

    def forward(image=image, weight=weight):  # type: ignore[no-untyped-def]
        return library.nn.functional.conv2d(image, weight, stride=conv.stride, padding=conv.padding)

    if direction == "forward":
        return forward
    grad = forward()  # a gradient with the layout that the library itself gives such a tensor
    wanted = (image if direction == "grad input" else weight).detach().requires_grad_()
    result = forward(wanted, weight) if direction == "grad input" else forward(image, wanted)
    return lambda: library.autograd.grad(result, wanted, grad, retain_graph=True)


def _candidates(conv: Conv, batch: int, dtype: str, direction: str) -> Candidates:
    ours, *others = libraries()
    calls = {"rushlight": _call(ours, conv, batch, dtype, direction)}
    for torch in others:
        for name, layout in FORMATS.items():
            calls[name] = _call(torch, conv, batch, dtype, direction, layout)
    return calls


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    for batch in (16,) if quick else (1, 16, 32):
        for conv in resnet18(224):
            directions = ["forward", "grad input", "grad weight"]
            if conv.channels_in == 3:  # no training step asks for the gradient of the image
                directions.remove("grad input")
            for direction in directions:
                yield Case(
                    f"{batch}x{conv} {direction}",
                    partial(_candidates, conv, batch, dtype, direction),
                    conv.flop(batch),
                    conv.bytes(batch) * (1 if dtype == "float32" else 0.5),
                )
