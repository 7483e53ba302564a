"""Helpers around tensors and modules; ``rushlight.utils.data`` is imported when it is first used."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import data as data


def __getattr__(name: str) -> ModuleType:
    if name == "data":
        return importlib.import_module("rushlight.utils.data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
