from __future__ import annotations

import builtins
import re
from pathlib import Path

import numpy
import pytest

from rushlight.vision.datasets import DatasetFolder, Digits, FakeData, ImageFolder
from rushlight.vision.transforms import ToTensor

Image = pytest.importorskip("PIL.Image")


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


@pytest.fixture
def folder(tmp_path):
    """Two classes, a nested picture, a file to be passed over."""
    for number, name in enumerate(["dog/b.png", "dog/a.JPG", "cat/deep/c.png", "cat/d.bmp"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), number * 10).save(path)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "readme.txt").write_text("no class")
    return tmp_path


def test_image_folder_sorts_classes_and_files(folder):
    dataset = ImageFolder(folder)
    assert dataset.classes == ["cat", "dog"]
    assert dataset.class_to_idx == {"cat": 0, "dog": 1}
    names = [path[len(str(folder)) + 1 :] for path, _ in dataset.samples]
    assert names == ["cat/d.bmp", "cat/deep/c.png", "dog/a.JPG", "dog/b.png"]
    assert dataset.targets == [0, 0, 1, 1]
    assert len(dataset) == 4
    assert dataset.imgs is dataset.samples
    image, target = dataset[3]
    assert (image.mode, image.size, image.getpixel((0, 0)), target) == ("RGB", (3, 2), (0, 0, 0), 1)


def test_image_folder_transforms(folder):
    dataset = ImageFolder(folder, transform=ToTensor(), target_transform=lambda target: target + 5)
    image, target = dataset[0]
    assert tuple(image.shape) == (3, 2, 3)
    assert target == 5


def test_is_valid_file_decides_instead_of_the_ending(folder):
    dataset = ImageFolder(folder, is_valid_file=lambda path: path.endswith(("txt", "g", "G")))
    assert len(dataset) == 4
    assert any(path.endswith("notes.txt") for path, _ in dataset.samples)


def test_dataset_folder_reads_anything(folder):
    dataset = DatasetFolder(folder, lambda path: Path(path).read_text(), (".txt",), allow_empty=True)
    assert [dataset[0], len(dataset), dataset.classes] == [("no picture", 0), 1, ["cat", "dog"]]
    with raises(ValueError, "ImageFolder: give either extensions or is_valid_file, not both and not neither"):
        DatasetFolder(folder, str)


def test_folder_errors_name_the_folder(folder, tmp_path):
    with raises(FileNotFoundError, f"ImageFolder: no such folder: {tmp_path / 'nowhere'}"):
        ImageFolder(tmp_path / "nowhere")
    file = tmp_path / "readme.txt"
    with raises(
        NotADirectoryError, f"ImageFolder: expected a folder with one sub-folder a class, got a file: {file}"
    ):
        ImageFolder(file)
    with raises(
        FileNotFoundError,
        f"ImageFolder: needs one sub-folder a class, found none in {tmp_path / 'cat' / 'deep'}",
    ):
        ImageFolder(tmp_path / "cat" / "deep")


def test_empty_classes_are_named(folder):
    (folder / "ant").mkdir()
    (folder / "bee").mkdir()
    (folder / "bee" / "list.txt").write_text("")
    with raises(
        FileNotFoundError,
        f"ImageFolder: found no picture for the classes ant, bee in {folder}. "
        "Supported endings: .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp.",
    ):
        ImageFolder(folder)
    dataset = ImageFolder(folder, allow_empty=True)
    assert dataset.classes == ["ant", "bee", "cat", "dog"]
    assert dataset.targets == [2, 2, 3, 3]


@pytest.mark.parametrize("content", [b"", b"not a picture", "cut"])
def test_an_unreadable_picture_is_named(folder, content):
    path = folder / "cat" / "bad.png"
    if content == "cut":
        Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=numpy.uint8)).save(
            path
        )
        content = path.read_bytes()[:600]
    path.write_bytes(content)
    with pytest.raises(OSError, match=f"^cannot read the picture {re.escape(str(path))}: "):
        ImageFolder(folder)[0]


def test_digits_are_the_real_ones():
    pytest.importorskip("sklearn")
    dataset = Digits(size=8)
    assert len(dataset) == 1797
    assert dataset.classes == list("0123456789")
    assert [dataset.targets.count(digit) for digit in range(10)] == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]
    image, target = dataset[0]
    assert (image.mode, image.size, target) == ("RGB", (8, 8), 0)
    # load_digits().images[0][2], levels 0..16, as bytes
    levels = [0, 3, 15, 2, 0, 11, 8, 0]
    assert numpy.asarray(image)[2, :, 1].tolist() == [round(level * 255 / 16) for level in levels]


def test_digits_of_any_size_and_transformed():
    pytest.importorskip("sklearn")
    image, target = Digits(size=20, transform=ToTensor(), target_transform=str)[1]
    assert tuple(image.shape) == (3, 20, 20)
    assert target == "1"
    assert Digits()[0][0].size == (64, 64)
    with raises(ValueError, "Digits: size must be positive, got 0"):
        Digits(size=0)


def test_missing_packages_are_named_with_the_line_that_installs_them(monkeypatch):
    original = builtins.__import__

    def without(missing):
        def find(name, *args, **kwargs):
            if name.split(".")[0] == missing:
                raise ImportError(f"No module named {missing!r}")
            return original(name, *args, **kwargs)

        return find

    monkeypatch.setattr(builtins, "__import__", without("sklearn"))
    with raises(
        ImportError,
        "Digits: the pictures come with scikit-learn, which is not installed: "
        "pip install 'rushlight[digits]'",
    ):
        Digits()
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with raises(
        ImportError,
        "rushlight.vision needs Pillow for pictures, which is not installed: pip install 'rushlight[vision]'",
    ):
        FakeData()[0]


def test_fake_data_repeats():
    dataset = FakeData(5, (3, 4, 6), num_classes=3)
    image, target = dataset[2]
    again, same = dataset[2]
    assert (image.size, image.tobytes(), target) == ((6, 4), again.tobytes(), same)
    assert image.tobytes() != dataset[3][0].tobytes()
    assert {FakeData(200, (1, 1, 1), 3)[i][1] for i in range(50)} == {0, 1, 2}
    assert FakeData(2, (1, 2, 2))[0][0].mode == "L"
    assert len(dataset) == 5
    with raises(IndexError, "FakeData: index 5 is out of range for 5 pictures"):
        dataset[5]
    with raises(ValueError, "FakeData: image_size must be (1 or 3, height, width), got (2, 4, 4)"):
        FakeData(image_size=(2, 4, 4))
