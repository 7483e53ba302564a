"""What a run learns from: labels, held-out pictures, batches."""

from __future__ import annotations

import re

import pytest

from rushlight.finetune import FinetuneError, Settings
from rushlight.finetune._data import held_out_loader, load_pictures, train_batches, train_loader
from rushlight.finetune._labels import Label, parse_labels

DIGITS = list("0123456789")


def raises(text):
    return pytest.raises(FinetuneError, match=f"^{re.escape(text)}$")


def load(folder, **options):
    return load_pictures(
        Settings(**{"data": str(folder), "image_size": 16, **options}), lambda done, total: None
    )


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (None, [(digit, digit) for digit in DIGITS]),
        ("3,1", [("3", "3"), ("1", "1")]),
        ("0-2, 9", [("0", "0"), ("1", "1"), ("2", "2"), ("9", "9")]),
        ("low=0-2;high=8,9", [("low", "012"), ("high", "89")]),
    ],
)
def test_labels(text, labels):
    assert parse_labels(text, DIGITS) == [Label(name, tuple(sources)) for name, sources in labels]


def test_a_class_with_a_dash_in_its_name_is_no_range():
    assert parse_labels("a-b,a", ["a", "a-b", "b"]) == [Label("a-b", ("a-b",)), Label("a", ("a",))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,cat", "classes: no class 'cat' in the data, which has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        ("5-2", "classes: no class '5-2' in the data, which has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        ("3", "there must be at least 2 classes to tell apart, got 3"),
        ("", "there must be at least 2 classes to tell apart, got none"),
        ("1,2,1", "classes: the label '1' is named more than once"),
        ("a=1,2;b=2", "classes: the class '2' is named more than once"),
        ("a=1;b=", "classes: the label 'b' has no class"),
        ("a=1;2", "classes: a group is written name=class,class, got '2'"),
    ],
)
def test_wrong_labels(text, message):
    with raises("finetune: " + message):
        parse_labels(text, DIGITS)


def test_every_class_is_held_out_in_the_same_share(folder):
    pictures = load(folder, val_fraction=0.25)
    assert sorted(pictures.train + pictures.held_out) == list(range(36))
    assert [pictures.targets[i] for i in pictures.held_out] == [0] * 3 + [1] * 3 + [2] * 3
    assert pictures.held_out == load(folder, val_fraction=0.25).held_out
    assert pictures.held_out != load(folder, val_fraction=0.25, split=1).held_out
    assert pictures.fingerprint != load(folder, val_fraction=0.25, split=1).fingerprint


def test_held_out_pictures_do_not_depend_on_what_is_learned(folder):
    """So a run may start from another one's weights without having seen its own held-out pictures."""
    every = {load(folder).names[i] for i in load(folder).held_out}
    for classes in ("red,blue", "warm=red;cold=blue,green"):
        pictures = load(folder, classes=classes, seed=7)
        names = {pictures.names[i] for i in pictures.held_out}
        assert names <= every
        assert not {pictures.names[i] for i in pictures.train} & every
    assert names == every


def test_labels_gather_classes(folder):
    pictures = load(folder, classes="warm=red;cold=blue,green")
    assert {(pictures.names[i].split("/")[0], pictures.targets[i]) for i in pictures.train} == {
        ("red", 0),
        ("blue", 1),
        ("green", 1),
    }


def test_batches_cover_the_epoch_and_leave_no_picture_alone(folder):
    settings = Settings(data=str(folder), batch_size=13, val_fraction=0.25, image_size=16)
    pictures = load_pictures(settings, lambda done, total: None)
    batches = train_batches(pictures, settings, 3)
    assert [len(batch) for batch in batches] == [13, 14]  # 27 = 13 + 13 + 1
    assert sorted(i for batch in batches for i in batch) == pictures.train
    assert batches == train_batches(pictures, settings, 3)
    assert batches != train_batches(pictures, settings, 4)


def test_augmentation_depends_on_seed_epoch_and_picture_only(folder):
    def images(epoch, workers, start=0):
        settings = Settings(data=str(folder), batch_size=8, image_size=16, workers=workers)
        pictures = load_pictures(settings, lambda done, total: None)
        batches = train_batches(pictures, settings, 0)[start:]
        return [images.tolist() for images, _ in train_loader(pictures, settings, epoch, batches)]

    first = images(0, 0)
    assert images(0, 3) == first
    assert images(0, 2, start=2) == first[2:]
    assert images(1, 0) != first


def test_held_out_pictures_come_unchanged(folder):
    settings = Settings(data=str(folder), image_size=16, workers=0)
    pictures = load_pictures(settings, lambda done, total: None)
    ((images, labels),) = held_out_loader(pictures, settings)
    assert tuple(images.shape) == (len(pictures.held_out), 3, 16, 16)
    assert labels.tolist() == [pictures.targets[i] for i in pictures.held_out]


def test_digits_are_read():
    pytest.importorskip("sklearn")
    pictures = load_pictures(Settings(classes="3-5"), lambda done, total: None)
    assert [len(pictures.train), len(pictures.held_out)] == [437, 109]  # 183 + 181 + 182, a fifth held out
    assert pictures.read(pictures.train[0]).size == (32, 32)


def test_unreadable_pictures_are_named_or_left_out(folder):
    bad = folder / "green" / "03.png"
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(FinetuneError) as caught:
        load(folder)
    assert str(caught.value).startswith(
        f"finetune: data: unreadable pictures: 1, the first: cannot read the picture {bad}: "
    )
    assert str(caught.value).endswith("; repair or remove them, or leave them out with skip_bad")
    pictures = load(folder, skip_bad=True)
    assert [reason.split(": ")[0] for reason in pictures.skipped] == [f"cannot read the picture {bad}"]
    assert len(pictures.train) + len(pictures.held_out) == 35


def test_reading_is_reported(folder):
    seen = []
    load_pictures(Settings(data=str(folder)), lambda done, total: seen.append((done, total)))
    assert seen == [(i, 36) for i in range(1, 37)]


def test_pictures_that_do_not_fit_in_memory_are_read_again(folder, monkeypatch):
    kept = load(folder)
    monkeypatch.setattr("rushlight.finetune._data._CACHE_BYTES", 3000)
    again = load(folder)
    for i in (0, 20, 35):
        assert again.read(i).tobytes() == kept.read(i).tobytes()


def test_folders_that_cannot_be_used(folder, tmp_path):
    advice = "; give digits, or a folder with one sub-folder of pictures a class"
    with raises(f"finetune: data: no such folder: {tmp_path}/none{advice}"):
        load(tmp_path / "none")
    file = folder / "red" / "00.png"
    with raises(f"finetune: data: expected a folder with one sub-folder a class, got a file: {file}{advice}"):
        load(file)
    with raises(f"finetune: data: needs one sub-folder a class, found none in {folder}/red{advice}"):
        load(folder / "red")
    for path in (folder / "red").iterdir():
        path.unlink()
    with raises(
        f"finetune: data: found no picture for the classes red in {folder}. Supported endings: .jpg, .jpeg, "
        ".png, .ppm, .bmp, .pgm, .tif, .tiff, .webp. "
        "Give digits, or a folder with one sub-folder of pictures a class."
    ):
        load(folder)
    (folder / "red" / "only.png").write_bytes((folder / "blue" / "00.png").read_bytes())
    with raises(
        "finetune: data: the class 'red' has 1 readable pictures, needs at least 2: "
        "one to learn from and one to hold out"
    ):
        load(folder)
