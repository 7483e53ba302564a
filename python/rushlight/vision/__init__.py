"""Models, transforms and datasets for pictures, as in torchvision."""

from __future__ import annotations

from . import datasets as datasets
from . import models as models
from . import transforms as transforms
