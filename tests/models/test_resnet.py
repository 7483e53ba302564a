"""Residual networks: names, sizes, initialisation, arguments, training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.vision import models
from rushlight.vision.models.resnet import BasicBlock, Bottleneck, ResNet
from tests.helpers import check_raises


def small(block: Any = BasicBlock, **kwargs: Any) -> ResNet:
    return ResNet(block, [1, 1, 1, 1], num_classes=3, **kwargs)


def expected_names_of_resnet18() -> list[str]:
    """torchvision's 122 names: stem, four stages of two blocks, classifier."""
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    names = ["conv1.weight", *(f"bn1.{n}" for n in norm)]
    for stage in range(1, 5):
        for block in range(2):
            path = f"layer{stage}.{block}"
            for i in (1, 2):
                names += [f"{path}.conv{i}.weight", *(f"{path}.bn{i}.{n}" for n in norm)]
            if stage > 1 and block == 0:
                names += [f"{path}.downsample.0.weight", *(f"{path}.downsample.1.{n}" for n in norm)]
    return [*names, "fc.weight", "fc.bias"]


def test_resnet18_has_torchvisions_names_and_size() -> None:
    model = models.resnet18()
    names = expected_names_of_resnet18()
    assert len(names) == 122
    assert list(model.state_dict()) == names
    assert sum(param.numel() for param in model.parameters()) == 11_689_512
    assert tuple(model.layer4[0].downsample[0].weight.shape) == (512, 256, 1, 1)
    assert model.layer3[0].conv1.stride == (2, 2)
    assert model.layer3[0].conv2.stride == (1, 1)


# Number of state-dict entries and parameters, as torchvision's documentation gives them.
SIZES = {
    "resnet18": (122, 11_689_512),
    "resnet34": (218, 21_797_672),
    "resnet50": (320, 25_557_032),
    "resnet101": (626, 44_549_160),
    "resnet152": (932, 60_192_808),
    "resnext50_32x4d": (320, 25_028_904),
    "wide_resnet50_2": (320, 68_883_240),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    model = models.get_model(name)
    count = sum(param.numel() for param in model.parameters())
    assert (len(model.state_dict()), count) == SIZES[name]


def test_bottleneck_has_its_stride_in_the_3x3_convolution() -> None:
    block = models.resnet50().layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_initialisation() -> None:
    rl.manual_seed(0)
    model = models.resnet18()
    weight = model.layer4[1].conv2.weight.detach().numpy()
    assert weight.std() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)
    weight = model.conv1.weight.detach().numpy()
    assert weight.std() == pytest.approx(math.sqrt(2 / (64 * 49)), rel=0.03)
    assert np.abs(model.fc.weight.detach().numpy()).max() <= 1 / math.sqrt(512)
    assert set(model.bn1.weight.tolist()) == {1.0}
    assert set(model.layer1[0].bn2.weight.tolist()) == {1.0}


@pytest.mark.parametrize(("block", "last"), [(BasicBlock, "bn2"), (Bottleneck, "bn3")])
def test_zero_init_residual(block: Any, last: str) -> None:
    model = small(block, zero_init_residual=True)
    for stage in (model.layer1, model.layer4):
        assert set(getattr(stage[0], last).weight.tolist()) == {0.0}
        assert set(stage[0].bn1.weight.tolist()) == {1.0}


def test_output_and_gradients() -> None:
    for block in (BasicBlock, Bottleneck):
        model = small(block)
        out = model(rl.randn(2, 3, 33, 35))
        assert tuple(out.shape) == (2, 3)
        nn.functional.cross_entropy(out, rl.tensor([0, 2])).backward()
        for name, param in model.named_parameters():
            assert param.grad is not None, name
            assert np.isfinite(param.grad.numpy()).all(), name
        assert int(model.bn1.num_batches_tracked) == 1


def test_dilation_keeps_the_size() -> None:
    model = small(Bottleneck, replace_stride_with_dilation=[False, True, True])
    assert model.layer3[0].conv2.stride == (1, 1)
    assert model.layer4[0].conv2.dilation == (2, 2)
    model.eval()
    x = model.layer1(model.maxpool(model.relu(model.bn1(model.conv1(rl.randn(1, 3, 64, 64))))))
    assert tuple(model.layer4(model.layer3(model.layer2(x))).shape[2:]) == (8, 8)


def test_norm_layer() -> None:
    model = small(norm_layer=lambda channels: nn.GroupNorm(4, channels))
    assert isinstance(model.layer2[0].downsample[1], nn.GroupNorm)
    assert not list(model.buffers())
    assert tuple(model(rl.randn(1, 3, 32, 32)).shape) == (1, 3)


def test_groups_and_width() -> None:
    model = small(Bottleneck, groups=4, width_per_group=8)
    assert tuple(model.layer1[0].conv2.weight.shape) == (32, 8, 3, 3)
    assert models.resnext50_32x4d().layer1[0].conv2.groups == 32


@pytest.mark.parametrize(
    ("call", "exception", "match"),
    [
        (lambda: small(groups=2), ValueError, "only supports groups=1 and base_width=64, got groups=2"),
        (
            lambda: small(replace_stride_with_dilation=[True] * 3),
            NotImplementedError,
            "Dilation > 1 not supported in BasicBlock, got 2",
        ),
        (lambda: small(replace_stride_with_dilation=[True]), ValueError, r"3-element tuple, got \[True\]"),
        (
            lambda: models.resnext50_32x4d(groups=2),
            ValueError,
            "'groups' expected value 32 but got 2 instead",
        ),
        (lambda: models.resnet18(pretrained=True), TypeError, "pretrained"),
        (lambda: models.resnet18(True), TypeError, "positional"),
    ],
)
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)
