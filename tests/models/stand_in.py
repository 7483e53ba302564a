"""Weights made here, in the place of downloaded ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.vision.models import ResNet18_Weights


def put_in_cache(model: nn.Module, torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Saves `model` as the cached file of ResNet18_Weights.DEFAULT, whose address gets the hash of this
    file.
    """
    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "new.pth"
    rl.save(model.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    named = file.rename(folder / f"resnet18-{digest[:8]}.pth")
    url = f"https://download.pytorch.org/models/{named.name}"
    monkeypatch.setattr(ResNet18_Weights.DEFAULT.value, "url", url)
    return named
