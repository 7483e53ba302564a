"""The convolutions of ResNet-18, and what its steps must at least compute and move."""

from __future__ import annotations

from dataclasses import dataclass

# Of ResNet-18 with 1000 classes: numbers in all parameters, and multiply-adds of its last layer per picture.
PARAMETERS = 11_689_512
HEAD = 512 * 1000


@dataclass(frozen=True)
class Conv:
    """A kind of convolution of ResNet-18, which holds `count` of it; `size`: its input's height and width."""

    channels_in: int
    channels_out: int
    size: int
    kernel: int
    stride: int
    count: int = 1

    @property
    def padding(self) -> int:
        return self.kernel // 2

    @property
    def size_out(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def flop(self, batch: int) -> float:
        """Operations of one such convolution, padding counted as if it were picture; in each direction."""
        return 2.0 * batch * self.channels_out * self.size_out**2 * self.channels_in * self.kernel**2

    def bytes(self, batch: int) -> float:
        """Pictures in and out and the weight, once each, float32."""
        pictures = batch * (self.channels_in * self.size**2 + self.channels_out * self.size_out**2)
        return 4.0 * (pictures + self.channels_in * self.channels_out * self.kernel**2)

    def __str__(self) -> str:
        taps = f"{self.kernel}x{self.kernel}"
        return f"{self.channels_in}->{self.channels_out} {self.size}px {taps}/{self.stride}"


def resnet18(size: int) -> list[Conv]:
    """Its convolutions for pictures of that height and width."""
    stem = Conv(3, 64, size, 7, 2)
    pooled = (stem.size_out + 1) // 2
    convs = [stem, Conv(64, 64, pooled, 3, 1, count=4)]
    for channels in (64, 128, 256):
        down = Conv(channels, 2 * channels, pooled, 3, 2)
        pooled = down.size_out
        convs += [down, Conv(channels, 2 * channels, down.size, 1, 2)]
        convs.append(Conv(2 * channels, 2 * channels, pooled, 3, 1, count=3))
    return convs


def forward_flop(batch: int, size: int) -> float:
    """Convolutions and the last layer, forward."""
    return sum(conv.count * conv.flop(batch) for conv in resnet18(size)) + 2.0 * batch * HEAD


def train_flop(batch: int, size: int) -> float:
    """Forward and both gradients; nobody asks for the pictures' gradient."""
    return 3 * forward_flop(batch, size) - resnet18(size)[0].flop(batch)


# Weights are read forward, read again for the gradient of the input, and read and written with their momentum
# by an update that takes the gradient as it is computed.
TRAIN_BYTES = 4.0 * PARAMETERS * 6
FORWARD_BYTES = 4.0 * PARAMETERS
