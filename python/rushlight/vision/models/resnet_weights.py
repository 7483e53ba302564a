"""Pre-trained weights of the residual networks: facts published by torchvision."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ..transforms._presets import ImageClassification
from ._api import Weights, WeightsEnum

IMAGENET_CLASSES = (Path(__file__).parent / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()

_SITE = "https://github.com/pytorch/vision/"
_RESNET_RECIPE = _SITE + "tree/main/references/classification#resnet"
_NEW_RECIPE = _SITE + "issues/3995#new-recipe"
_FIRST = "These weights reproduce closely the results of the paper using a simple training recipe."
_SECOND = "These weights improve upon the results of the original paper by using a new training recipe."


def _imagenet(
    file: str,
    num_params: int,
    accuracy: tuple[float, float],
    giga_ops: float,
    megabytes: float,
    recipe: str,
    **transform: Any,
) -> Weights:
    """Weights trained on ImageNet-1K; `accuracy` is top-1 and top-5 in percent."""
    return Weights(
        url=f"https://download.pytorch.org/models/{file}",
        transforms=partial(ImageClassification, crop_size=224, **transform),
        meta={
            "min_size": (1, 1),
            "categories": IMAGENET_CLASSES,
            "num_params": num_params,
            "recipe": recipe,
            "_metrics": {"ImageNet-1K": {"acc@1": accuracy[0], "acc@5": accuracy[1]}},
            "_ops": giga_ops,
            "_file_size": megabytes,
            "_docs": _SECOND if transform else _FIRST,
        },
    )


class ResNet18_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "resnet18-f37072fd.pth", 11689512, (69.758, 89.078), 1.814, 44.661, _RESNET_RECIPE
    )
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "resnet34-b627a593.pth", 21797672, (73.314, 91.420), 3.664, 83.275, _RESNET_RECIPE
    )
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "resnet50-0676ba61.pth", 25557032, (76.130, 92.862), 4.089, 97.781, _RESNET_RECIPE
    )
    IMAGENET1K_V2 = _imagenet(
        "resnet50-11ad3fa6.pth",
        25557032,
        (80.858, 95.434),
        4.089,
        97.790,
        _SITE + "issues/3995#issuecomment-1013906621",
        resize_size=232,
    )
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "resnet101-63fe2227.pth", 44549160, (77.374, 93.546), 7.801, 170.511, _RESNET_RECIPE
    )
    IMAGENET1K_V2 = _imagenet(
        "resnet101-cd907fc2.pth", 44549160, (81.886, 95.780), 7.801, 170.530, _NEW_RECIPE, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "resnet152-394f9c45.pth", 60192808, (78.312, 94.046), 11.514, 230.434, _RESNET_RECIPE
    )
    IMAGENET1K_V2 = _imagenet(
        "resnet152-f82ba261.pth", 60192808, (82.284, 96.002), 11.514, 230.474, _NEW_RECIPE, resize_size=232
    )
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "resnext50_32x4d-7cdf4587.pth",
        25028904,
        (77.618, 93.698),
        4.230,
        95.789,
        _SITE + "tree/main/references/classification#resnext",
    )
    IMAGENET1K_V2 = _imagenet(
        "resnext50_32x4d-1a0047aa.pth",
        25028904,
        (81.198, 95.340),
        4.230,
        95.833,
        _NEW_RECIPE,
        resize_size=232,
    )
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet50_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "wide_resnet50_2-95faca4d.pth",
        68883240,
        (78.468, 94.086),
        11.398,
        131.820,
        _SITE + "pull/912#issue-445437439",
    )
    IMAGENET1K_V2 = _imagenet(
        "wide_resnet50_2-9ba9bcbe.pth",
        68883240,
        (81.602, 95.758),
        11.398,
        263.124,
        _NEW_RECIPE + "-with-fixres",
        resize_size=232,
    )
    DEFAULT = IMAGENET1K_V2
