from __future__ import annotations

import collections
import re
import threading

import pytest

import rushlight
from rushlight import nn
from rushlight.utils.data import DataLoader
from rushlight.vision import transforms as T
from rushlight.vision.transforms._presets import ImageClassification

Image = pytest.importorskip("PIL.Image")


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def numbered(height, width):
    return rushlight.arange(height * width).reshape(1, height, width)


def test_compose_and_reprs_are_torchvisions():
    steps = T.Compose([T.Resize(8), T.CenterCrop(4), T.ToTensor(), T.Normalize([0.5], [0.25])])
    assert repr(steps) == (
        "Compose(\n"
        "    Resize(size=8, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    CenterCrop(size=(4, 4))\n"
        "    ToTensor()\n"
        "    Normalize(mean=[0.5], std=[0.25])\n"
        ")"
    )
    assert repr(T.RandomResizedCrop(9)) == (
        "RandomResizedCrop(size=(9, 9), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
        "interpolation=bilinear, antialias=True)"
    )
    assert repr(T.RandomCrop((3, 4), padding=1)) == "RandomCrop(size=(3, 4), padding=1)"
    assert repr(T.Pad([1, 2])) == "Pad(padding=[1, 2], fill=0, padding_mode=constant)"
    assert repr(T.RandomHorizontalFlip()) == "RandomHorizontalFlip(p=0.5)"
    result = steps(Image.new("RGB", (20, 10), (255, 0, 255)))
    assert tuple(result.shape) == (3, 4, 4)
    assert result[:, 0, 0].tolist() == [2.0, -2.0, 2.0]


def test_transforms_are_modules():
    steps = nn.Sequential(T.CenterCrop(4), T.ConvertImageDtype(rushlight.float32), T.Grayscale(3))
    assert tuple(steps(rushlight.zeros(3, 6, 6, dtype=rushlight.uint8)).shape) == (3, 4, 4)


def test_lambda():
    assert T.Lambda(lambda x: x + 1)(1) == 2
    with raises(TypeError, "Lambda: lambd must be callable, got int"):
        T.Lambda(3)


@pytest.mark.parametrize("flip", [T.RandomHorizontalFlip, T.RandomVerticalFlip])
def test_random_flip(flip):
    image = numbered(2, 3)
    dim = -1 if flip is T.RandomHorizontalFlip else -2
    assert flip(1.0)(image).tolist() == image.flip(dim).tolist()
    assert flip(0.0)(image) is image
    rushlight.manual_seed(0)
    flipped = sum(flip()(image) is not image for _ in range(300))
    assert 110 < flipped < 190
    with raises(ValueError, f"{flip.__name__}: p must be between 0 and 1, got 1.5"):
        flip(1.5)


def test_random_crop_reaches_every_place():
    rushlight.manual_seed(0)
    corners = collections.Counter(int(T.RandomCrop(3)(numbered(5, 4))[0, 0, 0]) for _ in range(300))
    assert sorted(corners) == [0, 1, 4, 5, 8, 9]
    assert min(corners.values()) > 25


def test_random_crop_pads():
    assert tuple(T.RandomCrop(6, padding=1)(numbered(4, 4)).shape) == (1, 6, 6)
    assert tuple(T.RandomCrop((2, 9), pad_if_needed=True)(numbered(4, 4)).shape) == (1, 2, 9)
    with raises(
        ValueError,
        "RandomCrop: the crop size (5, 5) is larger than the picture's (4, 4); "
        "set pad_if_needed=True or resize it first",
    ):
        T.RandomCrop(5)(numbered(4, 4))
    with raises(ValueError, "RandomCrop: size must be one or two positive integers, got 0"):
        T.RandomCrop(0)


def test_random_resized_crop_stays_within_scale_and_ratio():
    rushlight.manual_seed(0)
    image = numbered(40, 50)
    for _ in range(200):
        top, left, height, width = T.RandomResizedCrop.get_params(image, (0.2, 0.8), (0.75, 1.5))
        assert 0 <= top <= 40 - height
        assert 0 <= left <= 50 - width
        assert 0.17 < height * width / 2000 < 0.83
        assert 0.7 < width / height < 1.6
    assert tuple(T.RandomResizedCrop((6, 7))(image.to(rushlight.float32)).shape) == (1, 6, 7)


@pytest.mark.parametrize(("shape", "box"), [((10, 100), (0, 43, 10, 13)), ((100, 10), (43, 0, 13, 10))])
def test_random_resized_crop_falls_back_to_the_middle(shape, box):
    assert T.RandomResizedCrop.get_params(numbered(*shape), (5.0, 6.0), (3 / 4, 4 / 3)) == box


def test_random_resized_crop_checks_its_ranges():
    with raises(TypeError, "RandomResizedCrop: scale must be two numbers, got (1,)"):
        T.RandomResizedCrop(3, scale=(1,))
    with pytest.warns(UserWarning, match=r"ratio should be \(smaller, larger\), got \(2, 1\)"):
        T.RandomResizedCrop(3, ratio=(2, 1))


def test_randomness_follows_manual_seed():
    crop, image = T.RandomCrop(5), numbered(50, 50)

    def draw():
        rushlight.manual_seed(4)
        return [int(crop(image)[0, 0, 0]) for _ in range(5)]

    assert draw() == draw()
    assert len(set(draw())) > 1


def test_workers_draw_from_their_own_generators():
    """However the threads are scheduled, a batch is made with the same random numbers."""
    crop, image = T.RandomCrop(5), numbered(50, 50)

    class Crops:
        def __len__(self):
            return 24

        def __getitem__(self, index):
            threading.Event().wait(0.001 * (index % 3))
            return int(crop(image)[0, 0, 0])

    def draw():
        generator = rushlight.Generator().manual_seed(1)
        return [batch.tolist() for batch in DataLoader(Crops(), 4, num_workers=3, generator=generator)]

    first = draw()
    assert first == draw() == draw()
    assert len({number for batch in first for number in batch}) > 15


def test_preset_of_pretrained_weights():
    preset = ImageClassification(crop_size=4, resize_size=6)
    image = Image.new("RGB", (12, 9), (255, 0, 0))
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    for source in (image, T.PILToTensor()(image), T.ToTensor()(image)):
        result = preset(source)
        assert tuple(result.shape) == (3, 4, 4)
        assert result.dtype is rushlight.float32
        assert result[:, 1, 2].tolist() == pytest.approx(expected, abs=1e-5)
    batch = preset(rushlight.zeros(2, 3, 9, 12, dtype=rushlight.uint8))
    assert tuple(batch.shape) == (2, 3, 4, 4)
    assert repr(preset) == (
        "ImageClassification(\n    crop_size=[4]\n    resize_size=[6]\n    mean=[0.485, 0.456, 0.406]\n"
        "    std=[0.229, 0.224, 0.225]\n    interpolation=InterpolationMode.BILINEAR\n)"
    )
    assert "resized to [6] (bilinear)" in preset.describe()
