"""A folder of pictures with one sub-folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rushlight.utils.data import Dataset
from rushlight.vision._pillow import pillow

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def pil_loader(path: str | os.PathLike[str]) -> Any:
    """Read a picture as an RGB Pillow image.

    Raises:
        OSError: it cannot be read; the text names the file.
    """
    image = pillow()
    try:
        with open(path, "rb") as file, image.open(file) as picture:
            return picture.convert("RGB")
    except Exception as error:  # Pillow's plugins raise almost anything on a damaged file
        raise OSError(f"cannot read the picture {os.fspath(path)}: {error}") from error


default_loader = pil_loader


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """The sub-folders in sorted order, and the number of each.

    Raises:
        FileNotFoundError: no such folder, or no sub-folder in it.
        NotADirectoryError: a file.
    """
    root = Path(directory)
    if not root.exists():
        raise FileNotFoundError(f"ImageFolder: no such folder: {root}")
    if not root.is_dir():
        raise NotADirectoryError(
            f"ImageFolder: expected a folder with one sub-folder a class, got a file: {root}"
        )
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"ImageFolder: needs one sub-folder a class, found none in {root}")
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: Mapping[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """``(path, class number)`` of every file, sorted by class and path; links to folders are followed.

    Args:
        directory: the root folder.
        class_to_idx: sub-folders to read and their numbers; all of them if None.
        extensions: endings of the files to take, in any case; excludes ``is_valid_file``.
        is_valid_file: says of a path whether to take it.
        allow_empty: whether a class may have no file.

    Raises:
        ValueError: both or neither of ``extensions`` and ``is_valid_file``, or no class at all.
        FileNotFoundError: a class without a file.
    """
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("ImageFolder: class_to_idx must name at least one class, got {}")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("ImageFolder: give either extensions or is_valid_file, not both and not neither")
    endings = (extensions,) if isinstance(extensions, str) else extensions or ()
    wanted = is_valid_file or (lambda path: path.lower().endswith(endings))

    samples: list[tuple[str, int]] = []
    empty: list[str] = []
    for name in sorted(class_to_idx):
        found = [
            (path, class_to_idx[name])
            for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True))
            for path in (os.path.join(folder, file) for file in sorted(files))
            if wanted(path)
        ]
        samples += found
        if not found:
            empty.append(name)
    if empty and not allow_empty:
        supported = f" Supported endings: {', '.join(endings)}." if endings else ""
        raise FileNotFoundError(
            f"ImageFolder: found no picture for the classes {', '.join(empty)} "
            f"in {os.fspath(directory)}.{supported}"
        )
    return samples


class DatasetFolder(Dataset["tuple[Any, Any]"]):
    """Files of any kind, one sub-folder a class.

    Args:
        root: the folder.
        loader: makes a sample of a path.
        extensions: endings of the files to take; excludes ``is_valid_file``.
        transform: applied to the sample.
        target_transform: applied to the class number.
        is_valid_file: says of a path whether to take it.
        allow_empty: whether a class may have no file.

    Attributes ``classes`` (sorted names), ``class_to_idx``, ``samples`` (path and number), ``targets``.

    Raises:
        FileNotFoundError: no such folder, no class, or a class without files.
        NotADirectoryError: ``root`` is a file.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        self.root = os.fspath(root)
        self.loader = loader
        self.extensions = extensions
        self.transform = transform
        self.target_transform = target_transform
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Override to read classes from elsewhere: returns the names, and the number of each."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures in one sub-folder a class, read as RGB Pillow images.

    Args:
        root: the folder.
        transform: applied to the picture.
        target_transform: applied to the class number.
        loader: makes a picture of a path.
        is_valid_file: says of a path whether to take it, instead of its ending.
        allow_empty: whether a class may have no picture.

    Raises:
        As :class:`DatasetFolder`; on reading, OSError naming a picture that cannot be read.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            None if is_valid_file else IMG_EXTENSIONS,
            transform,
            target_transform,
            is_valid_file,
            allow_empty,
        )
        self.imgs = self.samples
