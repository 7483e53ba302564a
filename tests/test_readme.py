"""The documentation's Python blocks run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def blocks() -> list[tuple[str, str]]:
    """(place, code) of each ```python block of the README and the guides."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text[: match.start()].count("\n") + 1
            found.append((f"{path.relative_to(ROOT)}:{line}", match.group(1)))
    return found


@pytest.mark.parametrize(("place", "code"), [pytest.param(*block, id=block[0]) for block in blocks()])
def test_python_block_runs(place: str, code: str, tmp_path: Path) -> None:
    # At levels without bfloat16 units autocast says so.
    command = [sys.executable, "-W", "error", "-W", "ignore:autocast", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{place}\n{done.stdout}\n{done.stderr}"


def test_readme_has_the_two_commands() -> None:
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(commands) == 2
    assert "rushlight finetune --data digits" in commands[0]
    assert commands[1].endswith("tests/run.py")


def test_files_that_the_readme_points_to_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [target for target in re.findall(r"\]\(([^):]+)\)", text) if not (ROOT / target).exists()]
    assert not missing, missing


def test_the_guides_op_is_the_tested_one() -> None:
    source = (ROOT / "tests" / "cpp" / "adding_an_op_test.cpp").read_text(encoding="utf-8")
    code = source.split("// guide: begin\n")[1].split("// guide: end\n")[0]
    assert code in (ROOT / "docs" / "adding-an-op.md").read_text(encoding="utf-8")
