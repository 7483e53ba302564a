"""Weights enums, models by name, and loading from the cache."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.vision import models
from rushlight.vision.models import ResNet18_Weights, ResNet50_Weights
from tests.helpers import check_raises
from tests.models.stand_in import put_in_cache
from tests.models.test_resnet import SIZES

NAMES = sorted(SIZES)


@pytest.mark.parametrize("name", NAMES)
def test_meta(name: str) -> None:
    enum = models.get_model_weights(name)
    assert enum is models.get_model_weights(getattr(models, name))
    for weights in enum:
        meta = weights.meta
        assert weights.url.startswith(f"https://download.pytorch.org/models/{name}-")
        assert meta["num_params"] == SIZES[name][1]
        assert meta["min_size"] == (1, 1)
        assert meta["recipe"].startswith("https://github.com/pytorch/vision/")
        assert 69 < meta["_metrics"]["ImageNet-1K"]["acc@1"] < meta["_metrics"]["ImageNet-1K"]["acc@5"] < 97
        assert len(meta["categories"]) == 1000
    assert enum.DEFAULT is (enum["IMAGENET1K_V2"] if len(enum) == 2 else enum["IMAGENET1K_V1"])


def test_categories() -> None:
    names = ResNet18_Weights.DEFAULT.meta["categories"]
    assert len(set(names)) == 1000
    known = {0: "tench", 134: "crane bird", 207: "golden retriever", 282: "tiger cat", 517: "crane"}
    known |= {639: "maillot tank suit", 999: "toilet tissue"}
    assert {index: names[index] for index in known} == known


def test_entries() -> None:
    default = ResNet50_Weights.DEFAULT
    assert repr(default) == "ResNet50_Weights.IMAGENET1K_V2"
    assert ResNet50_Weights.verify("DEFAULT") is default
    assert ResNet50_Weights.verify("ResNet50_Weights.IMAGENET1K_V1") is ResNet50_Weights.IMAGENET1K_V1
    assert ResNet50_Weights.verify(default) is default
    assert ResNet50_Weights.verify(None) is None
    assert copy.deepcopy(default) is default
    assert pickle.loads(pickle.dumps(default)) is default
    assert models.get_weight("ResNet50_Weights.DEFAULT") is default


@pytest.mark.parametrize(
    ("weights", "size"), [(ResNet18_Weights.DEFAULT, 256), (ResNet50_Weights.IMAGENET1K_V2, 232)]
)
def test_transforms(weights: Any, size: int) -> None:
    preset = weights.transforms()
    assert preset.crop_size == [224]
    assert preset.resize_size == [size]
    out = preset(rl.zeros(3, 300, 500, dtype=rl.uint8))
    assert tuple(out.shape) == (3, 224, 224)
    assert out[:, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-5)


def test_models_by_name() -> None:
    assert models.list_models() == NAMES
    assert models.list_models(include="resnet1*") == ["resnet101", "resnet152", "resnet18"]
    assert models.list_models(include=["res*"], exclude=["resnet*"]) == ["resnext50_32x4d"]
    assert models.list_models(module=models) == NAMES
    assert models.list_models(module=nn) == []
    assert models.get_model_builder("ResNet18") is models.resnet18
    assert models.get_model("resnet18", num_classes=7).fc.out_features == 7


@pytest.mark.parametrize(
    ("call", "exception", "match"),
    [
        (lambda: models.get_model("vgg11"), ValueError, "Unknown model vgg11, the models are resnet101, "),
        (lambda: models.get_weight("DEFAULT"), ValueError, "Invalid weight name provided: 'DEFAULT'"),
        (lambda: models.get_weight("VGG.DEFAULT"), ValueError, "weight enum 'VGG' .* couldn't be retrieved"),
        (
            lambda: models.get_weight("ResNet18_Weights.V7"),
            ValueError,
            "has no weights 'V7', it has IMAGENET1K_V1",
        ),
        (lambda: models.resnet18(weights="V7"), KeyError, "ResNet18_Weights has no weights 'V7'"),
        (
            lambda: models.resnet18(weights=ResNet50_Weights.DEFAULT),
            TypeError,
            "expected ResNet18_Weights but received ResNet50_Weights",
        ),
        (
            lambda: models.resnet18(weights="DEFAULT", num_classes=10),
            ValueError,
            "The parameter 'num_classes' expected value 1000 but got 10 instead",
        ),
    ],
)
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)


def test_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    with pytest.raises(RuntimeError) as caught:
        models.resnet18(weights=ResNet18_Weights.DEFAULT)
    assert ResNet18_Weights.DEFAULT.url in str(caught.value)
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in str(caught.value)
    stand_in = models.resnet18()
    put_in_cache(stand_in, tmp_path, monkeypatch)
    loaded = models.resnet18(weights=ResNet18_Weights.DEFAULT, progress=False)
    assert loaded.fc.weight.tolist() == stand_in.fc.weight.tolist()
    assert loaded.training
