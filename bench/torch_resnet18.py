"""ResNet-18 in PyTorch's own layers, for the comparison (torchvision need not be installed)."""

from __future__ import annotations

import torch
from torch import nn


def resnet18(num_classes: int = 1000):  # type: ignore[no-untyped-def]
    """A freshly initialised ResNet-18."""

    def conv(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Conv2d:
        return nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = conv(channels_in, channels_out, 3, stride), nn.BatchNorm2d(channels_out)
            self.conv2, self.bn2 = conv(channels_out, channels_out, 3, 1), nn.BatchNorm2d(channels_out)
            self.relu = nn.ReLU(inplace=True)
            self.shortcut = nn.Sequential()
            if stride != 1 or channels_in != channels_out:
                self.shortcut = nn.Sequential(
                    conv(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out)
                )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    stem = [conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [block for i, o, s in widths for block in (Block(i, o, s), Block(o, o, 1))]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, num_classes))
