"""The public face: every op is documented and typed, and importing the package stays cheap."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rushlight

PACKAGE = Path(rushlight.__file__).parent
OPS = importlib.import_module("rushlight._core.ops")
OP_NAMES = sorted(name for name in dir(OPS) if not name.startswith("_"))


def stub_functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Top-level functions of a stub file, the last overload of each."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


STUBS = stub_functions(PACKAGE / "_core" / "ops.pyi")


@pytest.mark.parametrize("name", OP_NAMES)
def test_op_has_a_typed_stub(name: str) -> None:
    assert name in STUBS, f"{name} is missing in rushlight/_core/ops.pyi"
    arguments = STUBS[name].args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    assert [argument.arg for argument in named if argument.annotation is None] == []
    assert STUBS[name].returns is not None


@pytest.mark.parametrize("name", OP_NAMES)
def test_op_has_a_docstring(name: str) -> None:
    text = getattr(OPS, name).__doc__ or ""
    summary = text.strip().splitlines()[:1]
    assert summary, f"{name} has no docstring"
    missing = [section for section in ("Shapes:", "Raises:") if section not in text]
    assert not missing, f"{name}: docstring without {missing}"


def test_stubs_name_only_what_exists() -> None:
    assert sorted(name for name in STUBS if not name.startswith("_") and name not in OP_NAMES) == []


def test_import_is_light() -> None:
    """NumPy and the optional packages are imported where they are used, not by `import rushlight`."""
    heavy = ["numpy", "PIL", "matplotlib", "sklearn", "safetensors", "tqdm", "torch"]
    code = f"import sys, json, rushlight; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_wheel_is_small(tmp_path: Path) -> None:
    """Below 5 MB, judged by the installed files; a development build keeps its symbols and is left out."""
    if PACKAGE.parent.name == "python":
        pytest.skip("rushlight is built in place")
    with zipfile.ZipFile(tmp_path / "wheel", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in PACKAGE.rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                wheel.write(path)
    assert (tmp_path / "wheel").stat().st_size < 5_000_000
