"""A fresh interpreter that imports the package and ends."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.compare import Row, interleaved


def _importing(package: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", f"import {package}"], check=True)


def rows(quick: bool) -> Iterator[Row]:
    packages = [name for name in ("rushlight", "numpy", "torch") if importlib.util.find_spec(name)]
    timings = interleaved({name: _importing(name) for name in packages}, samples=5 if quick else 15)
    yield Row("import", timings)
