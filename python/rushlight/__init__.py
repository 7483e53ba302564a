"""rushlight: PyTorch's way of working on a CPU, on an engine of its own.

``import rushlight as torch`` runs PyTorch code of our scope unchanged.
"""

from __future__ import annotations

import importlib as _importlib
import os as _os
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from types import ModuleType as _ModuleType
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import _openmp as _openmp  # first: it loads the engine  # isort: skip
from . import __config__ as __config__
from . import _core
from . import _tensor as _tensor
from . import amp as amp
from . import autograd as autograd  # after the ops, which it uses
from . import cuda as cuda
from . import hub as hub
from . import io as io
from . import nn as nn
from . import optim as optim
from . import return_types as return_types
from .__config__ import show_config as show_config
from ._conversion import is_complex as is_complex
from ._conversion import is_floating_point as is_floating_point
from ._conversion import is_tensor as is_tensor
from ._conversion import numel as numel
from ._core import *  # noqa: F403
from ._core import __version__ as __version__
from ._core.ops import *  # noqa: F403
from ._device import device as device
from ._number_info import finfo as finfo
from ._number_info import iinfo as iinfo
from ._size import Size as Size
from ._tensor_str import set_printoptions as set_printoptions
from .amp import autocast as autocast
from .amp import get_autocast_dtype as get_autocast_dtype
from .amp import is_autocast_enabled as is_autocast_enabled
from .amp import set_autocast_dtype as set_autocast_dtype
from .amp import set_autocast_enabled as set_autocast_enabled
from .autograd import enable_grad as enable_grad
from .autograd import inference_mode as inference_mode
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled
from .io import load as load
from .io import save as save
from .nn._optimize import optimize_for_inference as optimize_for_inference

newaxis = None

_core._set_package_folder(_os.path.dirname(_os.path.abspath(__file__)) + _os.sep)

if _TYPE_CHECKING:
    from . import finetune as finetune
    from . import profiler as profiler
    from . import vision as vision


def __getattr__(name: str) -> _ModuleType:
    """Packages that not everybody needs, imported when they are first used."""
    if name in ("finetune", "profiler", "vision"):
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
