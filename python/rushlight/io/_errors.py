"""The one exception of the checkpoint reader."""

from __future__ import annotations

import pickle

__all__ = ["CheckpointError"]


class CheckpointError(RuntimeError, pickle.UnpicklingError):
    """A file that is no checkpoint, is damaged, or asks for more than data.

    PyTorch raises ``RuntimeError`` for a damaged archive and ``pickle.UnpicklingError`` for forbidden
    contents; this is both, so that either ``except`` clause works. Nothing of the file is returned when it
    is raised.
    """
