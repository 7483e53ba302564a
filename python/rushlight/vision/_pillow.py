"""The way to Pillow, an optional package."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def pillow(module: str = "Image") -> ModuleType:
    """``PIL.Image``, or another module of Pillow.

    Raises:
        ImportError: Pillow is not installed; the text says how to install it.
    """
    import importlib

    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImportError(
            "rushlight.vision needs Pillow for pictures, which is not installed: "
            "pip install 'rushlight[vision]'"
        ) from error


def is_pil_image(value: Any) -> bool:
    """Whether ``value`` is a Pillow picture; where Pillow was never imported, nothing is."""
    image = sys.modules.get("PIL.Image")
    return image is not None and isinstance(value, image.Image)
