"""Which classes of the data are learned, and under which names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rushlight.finetune._settings import FinetuneError


@dataclass(frozen=True)
class Label:
    """One thing to tell apart: a name, and the classes of the data that go by it."""

    name: str
    sources: tuple[str, ...]


def parse_labels(text: str | None, classes: Sequence[str]) -> list[Label]:
    """Read the ``classes`` option.

    Args:
        text: None for all classes; ``"cat,dog"`` or a range ``"0-4"`` for some of them;
            ``"even=0,2,4;odd=1,3,5"`` to gather classes under new names.
        classes: all classes of the data, sorted.

    Raises:
        FinetuneError: an unknown class, one named twice, or fewer than two labels.
    """
    if text is None:
        labels = [Label(name, (name,)) for name in classes]
    elif "=" in text:
        labels = []
        for group in filter(None, (part.strip() for part in text.split(";"))):
            name, equals, members = group.partition("=")
            if not equals or not name.strip():
                raise FinetuneError(f"finetune: classes: a group is written name=class,class, got {group!r}")
            labels.append(Label(name.strip(), tuple(_expand(members, classes))))
    else:
        labels = [Label(name, (name,)) for name in _expand(text, classes)]
    _check(labels)
    return labels


def _expand(text: str, classes: Sequence[str]) -> list[str]:
    names = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = item.partition("-")
        if item in classes:
            names.append(item)
        elif dash and first in classes and last in classes and classes.index(first) <= classes.index(last):
            names += classes[classes.index(first) : classes.index(last) + 1]
        else:
            raise FinetuneError(
                f"finetune: classes: no class {item!r} in the data, which has {summary(classes)}"
            )
    return names


def _check(labels: list[Label]) -> None:
    if len(labels) < 2:
        raise FinetuneError(
            "finetune: there must be at least 2 classes to tell apart, "
            f"got {summary([label.name for label in labels])}"
        )
    for kind, names in (
        ("label", [label.name for label in labels]),
        ("class", [source for label in labels for source in label.sources]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise FinetuneError(f"finetune: classes: the {kind} {twice[0]!r} is named more than once")
    for label in labels:
        if not label.sources:
            raise FinetuneError(f"finetune: classes: the label {label.name!r} has no class")


def summary(names: Sequence[str], most: int = 12) -> str:
    """``a, b, c`` or, of many, the first ones and how many more."""
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
