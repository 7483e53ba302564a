"""What a run is told to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


class FinetuneError(RuntimeError):
    """The run cannot start or go on; the text says why and what to do."""


# They say where and how the run works, not what it computes: a resumed run may change them.
FREE_TO_CHANGE = frozenset({"out", "threads", "workers"})


@dataclass(frozen=True)
class Settings:
    """Options of :func:`rushlight.finetune.finetune`, which documents them."""

    data: str = "digits"
    arch: str = "resnet18"
    weights: str | None = None
    freeze_backbone: bool = False
    classes: str | None = None
    epochs: int = 6
    batch_size: int = 32
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    image_size: int | None = None
    val_fraction: float = 0.2
    split: int = 0
    seed: int = 0
    workers: int = 2
    threads: int | None = None
    out: str = "runs/finetune"
    skip_bad: bool = False

    def __post_init__(self) -> None:
        _integer("epochs", self.epochs, 1)
        _integer("batch_size", self.batch_size, 2, "; batch normalisation needs two pictures to compare")
        if self.image_size is not None:
            _integer("image_size", self.image_size, 8)
        if self.threads is not None:
            _integer("threads", self.threads, 1)
        _integer("workers", self.workers, 0)
        _integer("seed", self.seed, 0)
        _integer("split", self.split, 0)
        _number("lr", self.lr, self.lr > 0, "above 0")
        _number("momentum", self.momentum, 0 <= self.momentum < 1, "from 0 to below 1")
        _number("weight_decay", self.weight_decay, self.weight_decay >= 0, "0 or more")
        _number("val_fraction", self.val_fraction, 0 < self.val_fraction < 1, "between 0 and 1")
        if self.freeze_backbone and self.weights is None:
            raise FinetuneError(
                "finetune: freeze_backbone needs weights to freeze, got weights=None; "
                "give weights=DEFAULT or a checkpoint"
            )

    @property
    def side(self) -> int:
        """Side of the pictures that the network sees, in pixels."""
        return self.image_size or (32 if self.data == "digits" else 224)

    @property
    def checkpoint(self) -> Path:
        return Path(self.out) / "checkpoint.pth"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def default_of(name: str) -> Any:
    """The default of one setting."""
    return next(field.default for field in fields(Settings) if field.name == name)


def resumed(saved: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
    """The settings of a saved run, with those of ``given`` that are free to change.

    Raises:
        FinetuneError: ``given`` asks for something else than the run did.
    """
    known = {field.name for field in fields(Settings)}
    values = {name: value for name, value in saved.items() if name in known}
    different = [
        f"{name}={given[name]!r} (the run: {values[name]!r})"
        for name in sorted(given)
        if name not in FREE_TO_CHANGE and name in values and given[name] != values[name]
    ]
    if different:
        raise FinetuneError(
            f"finetune: resume goes on with the run's own settings, got other ones: {', '.join(different)}; "
            "leave them out, or start a new run"
        )
    return Settings(**{**values, **{name: value for name, value in given.items() if name in FREE_TO_CHANGE}})


def _integer(name: str, value: object, least: int, why: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise FinetuneError(f"finetune: {name} must be an integer of at least {least}{why}, got {value!r}")


def _number(name: str, value: object, holds: bool, rule: str) -> None:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or not holds:
        raise FinetuneError(f"finetune: {name} must be a number {rule}, got {value!r}")
