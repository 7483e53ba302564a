"""Note [ISA translation units] as a test: a per-ISA object defines nothing that baseline code could link to.

An inline function emitted by an AVX-512 file and by a baseline file is one symbol to the linker, which may
keep the AVX-512 copy and crash an older CPU. Every external definition must be in its level's namespace.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("avx2", "avx512", "amx")
# Emitted by the compiler under the same contents everywhere: no machine code in them.
HARMLESS = re.compile(r"^(DW\.ref\.|__odr_asan|typeinfo |vtable for __cxxabi)")


def objects() -> list[Path]:
    """The per-ISA kernel objects of every build tree, sanitized ones left out."""
    found = ROOT.glob("build/*/cpp/CMakeFiles/rushlight_core.dir/rushlight/kernels/*/*.o")
    return sorted(path for path in found if level_of(path) and "san" not in path.relative_to(ROOT).parts[1])


def level_of(path: Path) -> str | None:
    stem = path.name.split(".")[0]
    return next((level for level in LEVELS if stem.endswith("_" + level)), None)


def foreign_symbols(nm_output: str, level: str) -> list[str]:
    """External definitions outside rushlight::kernels::<level>."""
    own = f"rushlight::kernels::{level}::"
    foreign = []
    for line in nm_output.splitlines():
        match = re.match(r"^[0-9a-f]+ (?P<kind>[A-TV-Zuvw]) (?P<symbol>.*)$", line)
        if match and own not in match["symbol"] and not HARMLESS.match(match["symbol"]):
            foreign.append(f"{match['kind']} {match['symbol']}")
    return foreign


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm from binutils")
def test_isa_objects_define_only_their_own_namespace() -> None:
    if not objects():
        pytest.skip("no build tree with per-ISA kernels under build/")
    wrong = {}
    for path in objects():
        output = subprocess.run(
            ["nm", "-C", "--defined-only", path], capture_output=True, text=True, check=True
        )
        if foreign := foreign_symbols(output.stdout, level_of(path) or ""):
            wrong[str(path.relative_to(ROOT))] = foreign
    assert not wrong, wrong


def test_foreign_symbols_are_seen() -> None:
    listing = "\n".join(
        [
            "0000000000000000 T rushlight::kernels::avx2::gemm(float const*)",
            "0000000000000010 W std::vector<int>::size() const",
            "0000000000000020 W rushlight::kernels::avx2::Vec::load()",
            "0000000000000030 t helper()",
            "                 U memcpy",
            "0000000000000000 V DW.ref.__gxx_personality_v0",
        ]
    )
    assert foreign_symbols(listing, "avx2") == ["W std::vector<int>::size() const"]
