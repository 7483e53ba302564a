"""Where a run stands, and the file that holds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import rushlight
from rushlight import nn
from rushlight.finetune._data import Pictures
from rushlight.finetune._labels import summary
from rushlight.finetune._model import read_checkpoint
from rushlight.finetune._settings import FinetuneError, Settings

FORMAT = "rushlight.finetune/1"


@dataclass
class Progress:
    """How far a run has come: whole epochs, batches of the one under way, and sums over those."""

    epoch: int = 0
    batch: int = 0
    seen: int = 0
    correct: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0


@dataclass
class State:
    """Everything that changes during a run."""

    model: nn.Module
    optimizer: Any
    scheduler: Any
    progress: Progress = field(default_factory=Progress)
    history: list[dict[str, float]] = field(default_factory=list)


def save(state: State, settings: Settings, pictures: Pictures) -> None:
    """Write ``checkpoint.pth`` whole or not at all; PyTorch reads it with ``weights_only=True``."""
    settings.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "model": dict(state.model.state_dict()),
        "classes": [label.name for label in pictures.labels],
        "settings": settings.to_dict(),
        "history": state.history,
        "progress": asdict(state.progress),
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "rng_state": rushlight.get_rng_state(),
        "fingerprint": pictures.fingerprint,
    }
    rushlight.save(content, str(settings.checkpoint))


def read(settings: Settings) -> dict[str, Any]:
    """The checkpoint of the run in ``settings.out``.

    Raises:
        FinetuneError: there is none, or it is not one of this job's.
    """
    if not settings.checkpoint.exists():
        raise FinetuneError(
            f"finetune: resume: no checkpoint at {settings.checkpoint}; "
            "give out=FOLDER of the run, or start without resume"
        )
    content = read_checkpoint(settings.checkpoint, "resume")
    if content.get("format") != FORMAT:
        raise FinetuneError(
            f"finetune: resume: {settings.checkpoint} is not a checkpoint of this job; "
            f"start from its weights instead: weights={settings.checkpoint}"
        )
    return content


def check_same_data(content: dict[str, Any], settings: Settings, pictures: Pictures) -> None:
    """Refuse to go on with other data.

    Raises:
        FinetuneError: classes or pictures changed since the checkpoint was written.
    """
    classes = [label.name for label in pictures.labels]
    if content["classes"] != classes:
        raise FinetuneError(
            f"finetune: resume: the checkpoint's classes are {summary(content['classes'])}; "
            f"the data has {summary(classes)}; start a new run with weights={settings.checkpoint}"
        )
    if content["fingerprint"] != pictures.fingerprint:
        raise FinetuneError(
            f"finetune: resume: the pictures in {settings.data} are not those the run began with; "
            f"restore them, or start a new run with weights={settings.checkpoint}"
        )


def restore(content: dict[str, Any], state: State) -> None:
    """Put everything that a checkpoint holds back in its place."""
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.scheduler.load_state_dict(content["scheduler"])
    state.progress = Progress(**content["progress"])
    state.history = list(content["history"])
    rushlight.set_rng_state(content["rng_state"])
