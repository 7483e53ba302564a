"""A fresh interpreter that imports the package and ends."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator

from bench.compare import Call, Candidates, Case


def _importing(package: str) -> Call:
    return lambda: subprocess.run([sys.executable, "-c", f"import {package}"], check=True)


def _candidates() -> Candidates:
    packages = ("rushlight", "numpy", "torch")
    return {name: _importing(name) for name in packages if importlib.util.find_spec(name)}


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    yield Case("import", _candidates)
