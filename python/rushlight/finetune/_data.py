"""The pictures of a run: read once, split once, augmented anew each epoch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import rushlight
from rushlight import Generator, Tensor
from rushlight.finetune._labels import Label, parse_labels
from rushlight.finetune._settings import FinetuneError, Settings
from rushlight.utils.data import DataLoader, Dataset
from rushlight.utils.data._worker import use_generator
from rushlight.vision import transforms as T
from rushlight.vision.datasets import Digits, ImageFolder, default_loader

# ImageNet's, which the published weights were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_CACHE_BYTES = 2 << 30
# Pictures are kept a little larger than the network's input, as the usual preprocessing does: 256 for 224.
_MARGIN = 256 / 224


@dataclass(frozen=True)
class Pictures:
    """The pictures that can be read and their labels.

    ``read(i)`` gives picture ``i`` as a Pillow image; ``train`` and ``held_out`` are indices.
    """

    read: Callable[[int], Any]
    names: list[str]
    targets: list[int]
    labels: list[Label]
    train: list[int]
    held_out: list[int]
    augment: Callable[[Any], Any]
    plain: Callable[[Any], Any]
    skipped: list[str]

    @property
    def fingerprint(self) -> str:
        """Changes with any name, label or place, so that a resumed run notices other data."""
        lines = [
            f"{self.names[i]}\0{self.targets[i]}\n" for part in (self.train, self.held_out) for i in part
        ]
        return hashlib.sha256("".join([*lines, str(len(self.train))]).encode()).hexdigest()


def load_pictures(settings: Settings, report: Callable[[int, int], None]) -> Pictures:
    """Read the data a run is about.

    Args:
        settings: of the run.
        report: called with pictures read and pictures in all.

    Raises:
        FinetuneError: the data cannot be used; the text says why.
        ImportError: an optional package is missing.
    """
    bad: dict[int, str] = {}
    if settings.data == "digits":
        dataset: Any = Digits(size=settings.side)
        names = [f"digit {i}" for i in range(len(dataset))]
        read = _first_of(dataset)
    else:
        dataset = _open_folder(settings.data)
        names = [os.path.relpath(path, settings.data) for path, _ in dataset.samples]
        read, bad = _read_all([path for path, _ in dataset.samples], settings, report)
    labels = parse_labels(settings.classes, dataset.classes)
    label_of = {source: number for number, label in enumerate(labels) for source in label.sources}
    train, held_out = _split(dataset.targets, dataset.classes, set(bad), settings)
    targets = [label_of.get(dataset.classes[target], -1) for target in dataset.targets]
    augment, plain = _transforms(settings)
    return Pictures(
        read=read,
        names=names,
        targets=targets,
        labels=labels,
        train=[i for i in train if targets[i] >= 0],
        held_out=[i for i in held_out if targets[i] >= 0],
        augment=augment,
        plain=plain,
        skipped=list(bad.values()),
    )


def train_batches(pictures: Pictures, settings: Settings, epoch: int) -> list[list[int]]:
    """The indices of each batch of an epoch; the same at every call."""
    generator = Generator().manual_seed(_mix(settings.seed, epoch, 0))
    order = [pictures.train[i] for i in rushlight.randperm(len(pictures.train), generator=generator).tolist()]
    batches = [order[i : i + settings.batch_size] for i in range(0, len(order), settings.batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:  # too few for batch normalisation
        batches[-2:] = [batches[-2] + batches[-1]]
    return batches


def batch_count(pictures: Pictures, settings: Settings) -> int:
    """Batches of every epoch."""
    return len(train_batches(pictures, settings, 0))


def train_loader(
    pictures: Pictures, settings: Settings, epoch: int, batches: Sequence[Sequence[int]]
) -> DataLoader[Any]:
    """Augmented batches ``(images, labels)``: what a picture looks like depends on seed, epoch and its
    index only, so that neither threads nor a resumed run change it."""
    dataset = _View(pictures, partial(_augmented, pictures.augment, settings.seed, epoch))
    return DataLoader(dataset, batch_sampler=batches, num_workers=settings.workers)


def held_out_loader(pictures: Pictures, settings: Settings) -> DataLoader[Any]:
    """Unchanged batches of the held-out pictures, in order."""
    dataset = _View(pictures, lambda index, image: pictures.plain(image))
    size = max(settings.batch_size, 64)
    batches = [pictures.held_out[i : i + size] for i in range(0, len(pictures.held_out), size)]
    return DataLoader(dataset, batch_sampler=batches, num_workers=settings.workers)


def to_input(images: Tensor) -> Tensor:
    """Bytes ``(N, 3, H, W)`` as the network's normalised input."""
    return T.functional.normalize(images.to(rushlight.float32).div_(255), MEAN, STD, inplace=True)


class _View(Dataset["tuple[Tensor, int]"]):
    def __init__(self, pictures: Pictures, transform: Callable[[int, Any], Any]) -> None:
        self._pictures = pictures
        self._transform = transform

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self._transform(index, self._pictures.read(index))
        return T.functional.pil_to_tensor(image), self._pictures.targets[index]


def _augmented(augment: Callable[[Any], Any], seed: int, epoch: int, index: int, image: Any) -> Any:
    with use_generator(Generator().manual_seed(_mix(seed, epoch, index + 1))):
        return augment(image)


def _mix(*numbers: int) -> int:
    """A seed of its own for each combination."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _transforms(settings: Settings) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    side = settings.side
    if settings.data == "digits":
        # No mirroring: a mirrored 2 is no digit.
        return T.RandomCrop(side, padding=max(side // 16, 1)), lambda image: image
    augment = T.Compose([T.RandomResizedCrop(side, scale=(0.35, 1.0)), T.RandomHorizontalFlip()])
    return augment, T.CenterCrop(side)


def _first_of(dataset: Any) -> Callable[[int], Any]:
    return lambda index: dataset[index][0]


def _open_folder(path: str) -> ImageFolder:
    try:
        return ImageFolder(path)
    except OSError as error:
        text = str(error).removeprefix("ImageFolder: ")
        raise FinetuneError(
            f"finetune: data: {text} Give digits, or a folder with one sub-folder of pictures a class."
            if text.endswith(".")
            else f"finetune: data: {text}; give digits, or a folder with one sub-folder of pictures a class"
        ) from error


def _read_all(
    paths: list[str], settings: Settings, report: Callable[[int, int], None]
) -> tuple[Callable[[int], Any], dict[int, str]]:
    """Read every picture once, to find the bad ones before training and to keep the rest where they fit."""
    shrink = T.Resize(round(settings.side * _MARGIN))
    kept: dict[int, Any] = {}
    bad: dict[int, str] = {}
    free = _CACHE_BYTES

    def load(index: int) -> Any:
        return shrink(default_loader(paths[index]))

    def attempt(index: int) -> Any:
        try:
            return load(index)
        except OSError as error:
            return error

    with ThreadPoolExecutor(max(settings.workers, 1)) as pool:
        for i, result in enumerate(pool.map(attempt, range(len(paths)))):
            if isinstance(result, OSError):
                bad[i] = str(result)
            elif free > 0:
                kept[i] = result
                free -= 3 * result.width * result.height
            report(i + 1, len(paths))
    if bad and not settings.skip_bad:
        raise FinetuneError(
            f"finetune: data: unreadable pictures: {len(bad)}, the first: {next(iter(bad.values()))}; "
            "repair or remove them, or leave them out with skip_bad"
        )
    return lambda index: kept[index] if index in kept else load(index), bad


def _split(
    targets: Sequence[int], classes: Sequence[str], bad: set[int], settings: Settings
) -> tuple[list[int], list[int]]:
    """Hold out the same share of every class, whichever classes a run learns."""
    train: list[int] = []
    held_out: list[int] = []
    for number, name in enumerate(classes):
        members = [i for i, target in enumerate(targets) if target == number and i not in bad]
        if len(members) < 2:
            raise FinetuneError(
                f"finetune: data: the class {name!r} has {len(members)} readable pictures, needs at least 2: "
                "one to learn from and one to hold out"
            )
        generator = Generator().manual_seed(_mix(settings.split, number))
        order = [members[i] for i in rushlight.randperm(len(members), generator=generator).tolist()]
        count = min(max(round(settings.val_fraction * len(members)), 1), len(members) - 1)
        held_out += order[:count]
        train += order[count:]
    return sorted(train), sorted(held_out)
