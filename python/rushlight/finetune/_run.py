"""The run itself."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rushlight
from rushlight import Tensor, nn
from rushlight.finetune import _checkpoint
from rushlight.finetune._checkpoint import Progress, State
from rushlight.finetune._data import (
    batch_count,
    held_out_loader,
    load_pictures,
    to_input,
    train_batches,
    train_loader,
)
from rushlight.finetune._display import Display
from rushlight.finetune._interrupt import Interrupt, Interrupted
from rushlight.finetune._model import build_model
from rushlight.finetune._report import plots_available, write_report
from rushlight.finetune._settings import FinetuneError, Settings, resumed
from rushlight.io._atomic import atomic_write
from rushlight.nn import functional as F
from rushlight.optim import SGD
from rushlight.optim.lr_scheduler import CosineAnnealingLR

# A run that is killed without a signal loses at most this much work.
_SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        model: the trained network, in eval mode.
        classes: what it tells apart, in the order of its outputs.
        accuracy: share of the held-out pictures it gets right, 0 to 1.
        loss: mean cross-entropy of the held-out pictures.
        confusion: ``confusion[i][j]`` held-out pictures of class ``i`` were taken for ``j``.
        history: one dict an epoch, as in ``history.csv``.
        checkpoint: file with the weights and everything to go on from.
        report: the picture, None where matplotlib is not installed.
    """

    model: nn.Module
    classes: list[str]
    accuracy: float
    loss: float
    confusion: list[list[int]]
    history: list[dict[str, float]]
    checkpoint: Path
    report: Path | None


@dataclass(frozen=True)
class Evaluation:
    """The held-out pictures through the network."""

    loss: float
    predicted: list[int]
    confidence: list[float]
    actual: list[int]

    @property
    def accuracy(self) -> float:
        hits = sum(p == a for p, a in zip(self.predicted, self.actual, strict=True))
        return hits / len(self.actual)


def run(settings: Settings, given: Mapping[str, Any], resume: bool, quiet: bool) -> Result:
    """Do a whole run, or the rest of one."""
    content = None
    if resume:
        content = _checkpoint.read(settings)
        settings = resumed(content["settings"], given)
    threads = rushlight.get_num_threads()
    display = Display(quiet)
    try:
        if settings.threads is not None:
            rushlight.set_num_threads(settings.threads)
        return _Run(settings, display, content).finish()
    finally:
        display.end()
        rushlight.set_num_threads(threads)


class _Run:
    """A run with its data, network and display; made ready by ``__init__``, done by ``finish``."""

    def __init__(self, settings: Settings, display: Display, content: dict[str, Any] | None) -> None:
        self.settings = settings
        self.display = display
        self.plots = plots_available(display.line)
        self.pictures = load_pictures(settings, lambda done, total: display.step("reading", done, total))
        for reason in self.pictures.skipped:
            display.line(f"left out: {reason}")
        self.batches = batch_count(self.pictures, settings)
        self.classes = [label.name for label in self.pictures.labels]
        display.line(
            f"{settings.arch} on {settings.data}: {len(self.classes)} classes, "
            f"{len(self.pictures.train)} pictures to learn from, {len(self.pictures.held_out)} held out, "
            f"{settings.side}x{settings.side} pixels"
        )
        self.state = self._start(content)
        self.saved_at = time.monotonic()

    def _start(self, content: dict[str, Any] | None) -> State:
        settings = self.settings
        model, origin = build_model(settings, self.classes, load_weights=content is None)
        learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = SGD(
            learned,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
        state = State(model, optimizer, CosineAnnealingLR(optimizer, settings.epochs * self.batches))
        if content is not None:
            _checkpoint.check_same_data(content, settings, self.pictures)
            _checkpoint.restore(content, state)
            origin = f"resumed after epoch {state.progress.epoch}, batch {state.progress.batch}"
        learning = sum(parameter.numel() for parameter in learned)
        total = sum(parameter.numel() for parameter in model.parameters())
        self.display.line(f"weights: {origin}; {learning:,} of {total:,} parameters learn")
        return state

    def finish(self) -> Result:
        """Train what is left, and write the results."""
        with Interrupt() as interrupt:
            while self.state.progress.epoch < self.settings.epochs:
                self._epoch(interrupt)
            final = self._evaluate(interrupt)
        return self._conclude(final)

    def _epoch(self, interrupt: Interrupt) -> None:
        progress, settings = self.state.progress, self.settings
        batches = train_batches(self.pictures, settings, progress.epoch)[progress.batch :]
        self.state.model.train()
        began, before = time.monotonic(), progress.seconds
        for images, labels in train_loader(self.pictures, settings, progress.epoch, batches):
            self._batch(to_input(images), labels)
            progress.seconds = before + time.monotonic() - began
            self._show_batch()
            self._maybe_stop(interrupt)
        self.display.end()
        evaluation = self._evaluate(interrupt)
        self._check_finite(evaluation.loss, "the held-out loss")
        self._record(evaluation)
        self.state.progress = Progress(epoch=progress.epoch + 1)
        self._save()

    def _batch(self, images: Tensor, labels: Tensor) -> None:
        state, progress = self.state, self.state.progress
        logits = state.model(images)
        loss = F.cross_entropy(logits, labels)
        value = float(loss.item())
        self._check_finite(value, "the loss")
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        state.scheduler.step()
        progress.batch += 1
        progress.seen += len(labels)
        progress.loss_sum += value * len(labels)
        progress.correct += int((logits.argmax(1) == labels).sum().item())

    def _evaluate(self, interrupt: Interrupt) -> Evaluation:
        """The held-out pictures as they are, in evaluation mode."""
        self.state.model.eval()
        loss, predicted, confidence, actual = 0.0, [], [], []
        with rushlight.no_grad():
            for images, labels in held_out_loader(self.pictures, self.settings):
                logits = self.state.model(to_input(images))
                loss += float(F.cross_entropy(logits, labels, reduction="sum").item())
                best = logits.softmax(1).max(1)
                predicted += best.indices.tolist()
                confidence += best.values.tolist()
                actual += labels.tolist()
                self._maybe_stop(interrupt)
        return Evaluation(loss / len(actual), predicted, confidence, actual)

    def _record(self, evaluation: Evaluation) -> None:
        progress = self.state.progress
        row = {
            "epoch": progress.epoch + 1,
            "train_loss": progress.loss_sum / progress.seen,
            "train_accuracy": progress.correct / progress.seen,
            "held_out_loss": evaluation.loss,
            "held_out_accuracy": evaluation.accuracy,
            "lr": self.state.scheduler.get_last_lr()[0],
            "images_per_second": progress.seen / progress.seconds,
            "seconds": progress.seconds,
        }
        self.state.history.append(row)
        self.display.line(
            f"epoch {row['epoch']}/{self.settings.epochs}  loss {row['train_loss']:.4f}  "
            f"accuracy {row['train_accuracy']:.1%}  held-out loss {row['held_out_loss']:.4f}  "
            f"held-out accuracy {row['held_out_accuracy']:.1%}  "
            f"{row['images_per_second']:.0f} images/s  {row['seconds']:.1f} s"
        )

    def _show_batch(self) -> None:
        progress = self.state.progress
        self.display.step(
            f"epoch {progress.epoch + 1}/{self.settings.epochs}",
            progress.seen,
            len(self.pictures.train),
            f"loss {progress.loss_sum / progress.seen:.4f}  accuracy {progress.correct / progress.seen:.1%}  "
            f"{progress.seen / progress.seconds:.0f} images/s",
        )

    def _maybe_stop(self, interrupt: Interrupt) -> None:
        if interrupt.received is not None:
            self._save()
            raise Interrupted(interrupt.received, str(self.settings.checkpoint))
        if time.monotonic() - self.saved_at > _SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        _checkpoint.save(self.state, self.settings, self.pictures)
        self.saved_at = time.monotonic()

    def _check_finite(self, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        progress, settings = self.state.progress, self.settings
        kept = (
            f"; the last checkpoint before it is {settings.checkpoint}"
            if settings.checkpoint.exists()
            else ""
        )
        raise FinetuneError(
            f"finetune: {what} became {value} in epoch {progress.epoch + 1}, after batch {progress.batch} of "
            f"{self.batches}: training diverged; try a smaller lr, {settings.lr / 10:g} instead of "
            f"{settings.lr:g}{kept}"
        )

    def _conclude(self, final: Evaluation) -> Result:
        settings, history = self.settings, self.state.history
        folder = Path(settings.out)
        _write_history(folder / "history.csv", history)
        confusion = [[0] * len(self.classes) for _ in self.classes]
        for actual, predicted in zip(final.actual, final.predicted, strict=True):
            confusion[actual][predicted] += 1
        report = None
        if self.plots:
            report = folder / "report.png"
            write_report(report, settings, history, self.classes, confusion, self.pictures, final)
        hits = round(final.accuracy * len(final.actual))
        self.display.line(f"held-out accuracy {final.accuracy:.2%} ({hits} of {len(final.actual)} pictures)")
        written = ["checkpoint.pth", "history.csv", *(["report.png"] if report else [])]
        self.display.line(f"written to {settings.out}: {', '.join(written)}")
        return Result(
            self.state.model,
            self.classes,
            final.accuracy,
            final.loss,
            confusion,
            history,
            settings.checkpoint,
            report,
        )


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    with atomic_write(str(path)) as file:
        file.write(text.getvalue().encode())
