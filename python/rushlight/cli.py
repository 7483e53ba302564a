"""The command ``rushlight``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import Any

from rushlight.finetune import FinetuneError, Interrupted
from rushlight.finetune._run import run
from rushlight.finetune._settings import Settings, default_of

# name, type, what it is called in the usage, help
_OPTIONS: tuple[tuple[str, type, str, str], ...] = (
    ("data", str, "digits|FOLDER", "handwritten digits, or a folder with one sub-folder of pictures a class"),
    ("arch", str, "NAME", "resnet18, resnet34, resnet50, ..."),
    ("weights", str, "DEFAULT|None|FILE", "where to start: published weights, new ones, or a checkpoint"),
    ("freeze_backbone", bool, "", "learn the last layer only, everything before it stays fixed"),
    ("classes", str, "LIST", "which to learn: 'cat,dog', a range '0-4', or groups 'even=0,2,4;odd=1,3,5'"),
    ("epochs", int, "N", "passes over the pictures"),
    ("batch_size", int, "N", "pictures a step"),
    ("lr", float, "X", "learning rate at the start; falls along half a cosine to 0"),
    ("momentum", float, "X", "momentum of SGD"),
    ("weight_decay", float, "X", "weight decay of SGD"),
    ("image_size", int, "PIXELS", "side of the pictures that the network sees (32 for digits, else 224)"),
    ("val_fraction", float, "X", "share of each class that is held out to measure the accuracy"),
    ("split", int, "N", "number of the random choice of held-out pictures"),
    ("seed", int, "N", "seed of new weights, order and augmentation"),
    ("workers", int, "N", "threads that prepare pictures"),
    ("threads", int, "N", "threads that compute (all)"),
    ("out", str, "FOLDER", "where checkpoint.pth, history.csv and report.png go"),
    ("skip_bad", bool, "", "leave unreadable pictures out instead of stopping"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        Exit code: 0 done, 1 failed, 2 wrong usage, 130 or 143 stopped by SIGINT or SIGTERM.
    """
    options = vars(_parser().parse_args(arguments))
    debug, resume, quiet = (options.pop(name) for name in ("debug", "resume", "quiet"))
    try:
        run(Settings(**options), options, resume, quiet)
    except Interrupted as stop:
        folder = options.get("out", default_of("out"))
        return _stopped(f"{stop}\nGo on with: rushlight finetune --resume --out {folder}", stop.signal)
    except KeyboardInterrupt:
        return _stopped("finetune: stopped", signal.SIGINT)
    except Exception as error:
        if debug:
            raise
        _say(f"rushlight: error: {_one_line(error)}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rushlight", description="Deep learning on the CPU, PyTorch's way.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    job = commands.add_parser(
        "finetune",
        help="train or fine-tune a ResNet on pictures",
        description="Train or fine-tune a ResNet on a folder of pictures or on handwritten digits.",
        # What is not given stays out of the result: a resumed run must tell it from a default.
        argument_default=argparse.SUPPRESS,
    )
    for name, kind, metavar, text in _OPTIONS:
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            job.add_argument(flag, action="store_true", help=text)
            continue
        default = default_of(name)
        shown = text if default is None else f"{text} ({default})"
        job.add_argument(flag, type=_no_weights if name == "weights" else kind, metavar=metavar, help=shown)
    job.add_argument("--resume", action="store_true", default=False, help="go on with the run in --out")
    job.add_argument("--quiet", action="store_true", default=False, help="print nothing but errors")
    job.add_argument("--debug", action="store_true", default=False, help="show the traceback of an error")
    return parser


def _no_weights(text: str) -> str | None:
    return None if text.lower() == "none" else text


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, (FinetuneError, ImportError)):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"


def _stopped(text: str, number: int) -> int:
    _say(text)
    return 128 + number


def _say(text: Any) -> None:
    print(text, file=sys.stderr, flush=True)
