"""The network of a run: made, loaded, given a new head, frozen."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from typing import Any

import rushlight
from rushlight import nn
from rushlight.finetune._settings import FinetuneError, Settings
from rushlight.vision import models

_HEAD = ("fc.weight", "fc.bias")


def build_model(settings: Settings, classes: list[str], load_weights: bool) -> tuple[nn.Module, str]:
    """Make the network that a run starts from.

    Args:
        settings: of the run; its seed decides the new weights.
        classes: what the head tells apart.
        load_weights: whether to load ``settings.weights``; a resumed run has its own.

    Returns:
        The network in training mode, and a line saying where its weights come from.

    Raises:
        FinetuneError: an unknown ``arch``, or weights that do not fit it.
    """
    known = models.list_models(include=["resnet*", "resnext*", "wide_resnet*"])
    if settings.arch not in known:
        raise FinetuneError(f"finetune: arch must be one of {', '.join(known)}, got {settings.arch!r}")
    rushlight.manual_seed(settings.seed)
    model = models.get_model(settings.arch, weights=None, num_classes=len(classes))
    origin = "from scratch"
    if load_weights and settings.weights is not None:
        origin = _load_weights(model, settings, classes)
    if settings.freeze_backbone:
        for name, child in model.named_children():
            if name != "fc":
                child.freeze()
    return model.train(), origin


def read_checkpoint(path: str | os.PathLike[str], option: str) -> dict[str, Any]:
    """Read a file of weights; ``option`` names it in errors.

    Raises:
        FinetuneError: no such file, or not a checkpoint.
    """
    try:
        content = rushlight.load(os.fspath(path))
    except FileNotFoundError as error:
        raise FinetuneError(f"finetune: {option}: no such file: {os.fspath(path)}") from error
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise FinetuneError(f"finetune: {option}: cannot read {os.fspath(path)}: {error}") from error
    if not isinstance(content, dict):
        raise FinetuneError(
            f"finetune: {option}: {os.fspath(path)} holds a {type(content).__name__}, "
            "expected a dict of weights"
        )
    return content


def _load_weights(model: nn.Module, settings: Settings, classes: list[str]) -> str:
    source = str(settings.weights)
    warning = ""
    entries = models.get_model_weights(settings.arch)
    if source in entries.__members__:
        state, known_classes = _download(entries[source]), None
    elif not os.path.exists(source):
        raise FinetuneError(
            f"finetune: weights must be None, one of {', '.join(entries.__members__)}, or a file; "
            f"there is no file {source!r}"
        )
    else:
        content = read_checkpoint(source, "weights")
        saved_arch = content.get("settings", {}).get("arch", settings.arch)
        if saved_arch != settings.arch:
            raise FinetuneError(
                f"finetune: weights: {source} is of a {saved_arch}, got arch={settings.arch!r}"
            )
        state, known_classes = content.get("model", content), content.get("classes")
        warning = _overlap(content.get("settings", {}), settings)
    keep_head = known_classes == classes
    own = model.state_dict()
    state = {name: value for name, value in state.items() if keep_head or name not in _HEAD}
    _check_fit(state, own, source, settings.arch)
    model.load_state_dict({**{name: own[name] for name in _HEAD}, **state})
    head = "" if keep_head else f" with a new head for {len(classes)} classes"
    return f"from {source}{head}{warning}"


def _download(entry: models.WeightsEnum) -> dict[str, Any]:
    try:
        return entry.get_state_dict(progress=True)
    except (OSError, RuntimeError) as error:
        raise FinetuneError(f"finetune: weights: {error}") from error


def _overlap(saved: Mapping[str, Any], settings: Settings) -> str:
    """What to say where pictures held out here were learned from by the run that made the weights."""
    same = all(saved.get(name) == getattr(settings, name) for name in ("split", "val_fraction"))
    if same or saved.get("data") != settings.data:
        return ""
    return (
        f" (they have learned from pictures held out here, so the accuracy will look too good: "
        f"keep split={saved['split']} and val_fraction={saved['val_fraction']:g})"
    )


def _check_fit(state: Mapping[str, Any], own: Mapping[str, Any], source: str, arch: str) -> None:
    missing = [name for name in own if name not in state and name not in _HEAD]
    unexpected = [name for name in state if name not in own]
    misshaped = [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and getattr(value, "shape", None) != own[name].shape
    ]
    for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise FinetuneError(
                f"finetune: weights: {source} does not fit arch={arch!r}: {what}: {names[0]}{more}"
            )
