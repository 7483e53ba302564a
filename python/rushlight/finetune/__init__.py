"""The main job: train or fine-tune a ResNet on a folder of pictures, or on real handwritten digits.

On the command line: ``rushlight finetune --help``.
"""

from __future__ import annotations

import os
from typing import Any

from rushlight.finetune._interrupt import Interrupted
from rushlight.finetune._run import Result, run
from rushlight.finetune._settings import FinetuneError, Settings, default_of

__all__ = ["FinetuneError", "Interrupted", "Result", "Settings", "finetune"]


def finetune(
    data: str | os.PathLike[str] = "digits",
    *,
    arch: str = "resnet18",
    weights: str | os.PathLike[str] | None = None,
    freeze_backbone: bool = False,
    classes: str | None = None,
    epochs: int = 6,
    batch_size: int = 32,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    image_size: int | None = None,
    val_fraction: float = 0.2,
    split: int = 0,
    seed: int = 0,
    workers: int = 2,
    threads: int | None = None,
    out: str | os.PathLike[str] = "runs/finetune",
    skip_bad: bool = False,
    resume: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a ResNet to tell pictures apart, measure it on held-out ones, and write down how it went.

    Training is SGD with Nesterov momentum; the learning rate falls along half a cosine, batch by batch, to 0.
    The result depends on the data and the options, not on ``threads`` or ``workers``. The held-out pictures
    are never learned from, nor used to choose between epochs.

    Args:
        data: ``"digits"`` (scikit-learn's 1,797 handwritten digits), or a folder with one sub-folder a class.
        arch: a ResNet of ``rushlight.vision.models``.
        weights: where to start: None for new weights, ``"DEFAULT"`` or another entry of the arch's weights
            for published ones, or a file: a checkpoint of this job or a state dict. The head (``fc``) is
            kept where the file's classes are the same, and made anew otherwise.
        freeze_backbone: learn the head only, with everything before it fixed, statistics included.
        classes: which classes to learn: ``"cat,dog"``, a range ``"0-4"``, or classes gathered under new names
            ``"even=0,2,4;odd=1,3,5"``; all of them if None.
        epochs: passes over the pictures.
        batch_size: pictures a step; a last batch of one joins the one before it.
        lr: learning rate at the start.
        momentum: of SGD.
        weight_decay: of SGD.
        image_size: side in pixels of what the network sees; 32 for digits, 224 for a folder if None.
        val_fraction: share of each class that is held out, at least one picture.
        split: number of the random choice of held-out pictures. It depends on nothing but ``val_fraction``
            and the data, so runs that build on one another's weights stay honest by keeping it.
        seed: of new weights, order and augmentation.
        workers: threads that prepare pictures.
        threads: threads that compute; all of the machine's if None.
        out: folder for ``checkpoint.pth``, ``history.csv`` and ``report.png``.
        skip_bad: leave pictures that cannot be read out, instead of stopping.
        resume: go on with the interrupted run in ``out``, to the same weights, bit for bit. An option left at
            its default is taken from the run.
        quiet: print nothing.

    Returns:
        :class:`Result`.

    Raises:
        FinetuneError: options, data or files that cannot be used, or training that diverged.
        Interrupted: SIGINT or SIGTERM came (in the main thread); the checkpoint has been written.
        ImportError: Pillow, or scikit-learn for the digits, is not installed.
    """
    options: dict[str, Any] = dict(locals())
    for name in ("data", "weights", "out"):
        if options[name] is not None:
            options[name] = os.fspath(options[name])
    del options["resume"], options["quiet"]
    given = {name: value for name, value in options.items() if value != default_of(name)}
    return run(Settings(**given), given, resume, quiet)
