"""Files: PyTorch's checkpoints (:mod:`.pth`), safetensors, and downloads (:mod:`.hub`)."""

from __future__ import annotations

from ._errors import CheckpointError
from .pth import load, save

__all__ = ["CheckpointError", "load", "save"]
