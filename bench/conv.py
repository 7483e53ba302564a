"""Every convolution of ResNet-18, three directions: forward, gradient of the input, of the weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

import rushlight
from bench.compare import Row, interleaved, torch_or_none


@dataclass(frozen=True)
class Conv:
    """One convolution of ResNet-18 for 224x224 images; `size` is the height and width of its input."""

    channels_in: int
    channels_out: int
    size: int
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        return self.kernel // 2

    @property
    def size_out(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def gflop(self, batch: int) -> float:
        taps = self.channels_in * self.kernel**2
        return 2e-9 * batch * self.channels_out * self.size_out**2 * taps

    def __str__(self) -> str:
        return (
            f"{self.channels_in}->{self.channels_out} {self.size}px {self.kernel}x{self.kernel}/{self.stride}"
        )


RESNET18 = [Conv(3, 64, 224, 7, 2), Conv(64, 64, 56, 3, 1)]
for _c, _s in ((64, 56), (128, 28), (256, 14)):
    RESNET18 += [Conv(_c, 2 * _c, _s, 3, 2), Conv(_c, 2 * _c, _s, 1, 2), Conv(2 * _c, 2 * _c, _s // 2, 3, 1)]


def _directions(library: ModuleType, conv: Conv, batch: int) -> dict[str, Callable[[], object]]:
    """The three calls for one library; each gradient is asked for alone."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, conv.channels_in, conv.size, conv.size), dtype=np.float32)
    w = rng.standard_normal((conv.channels_out, conv.channels_in, conv.kernel, conv.kernel), dtype=np.float32)
    image, weight = library.from_numpy(x), library.from_numpy(w)
    if library.__name__ == "torch":  # the faster of its two memory formats on most of these shapes
        image = image.contiguous(memory_format=library.channels_last)
        weight = weight.contiguous(memory_format=library.channels_last)

    def forward(image=image, weight=weight):  # type: ignore[no-untyped-def]
        return library.nn.functional.conv2d(image, weight, stride=conv.stride, padding=conv.padding)

    grad = forward()  # a gradient with the layout that the library itself gives such a tensor
    wants_image, wants_weight = image.detach().requires_grad_(), weight.detach().requires_grad_()
    of_image, of_weight = forward(wants_image, weight), forward(image, wants_weight)
    return {
        "forward": forward,
        "grad input": lambda: library.autograd.grad(of_image, wants_image, grad, retain_graph=True),
        "grad weight": lambda: library.autograd.grad(of_weight, wants_weight, grad, retain_graph=True),
    }


def rows(quick: bool) -> Iterator[Row]:
    libraries = [rushlight] + [torch for torch in [torch_or_none()] if torch is not None]
    for batch in (16,) if quick else (1, 16):
        for conv in RESNET18:
            calls = {library.__name__: _directions(library, conv, batch) for library in libraries}
            directions = ["forward", "grad input", "grad weight"]
            if conv.channels_in == 3:  # no training step asks for the gradient of the image
                directions.remove("grad input")
            for direction in directions:
                candidates = {name: calls[name][direction] for name in calls}
                timings = interleaved(candidates, samples=5 if quick else 9)
                yield Row(f"{batch}x{conv} {direction}", timings, gflop=conv.gflop(batch))
