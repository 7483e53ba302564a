"""Builds and runs the C++ tests, then runs the Python tests: `python tests/run.py [pytest arguments]`.

Needs what `pip install '.[test]'` installs. The C++ tests are built in the tree that pip left under
build/, so the engine is not compiled twice. Exits non-zero if either suite fails; both always run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))


def tool(name: str) -> str:
    """The program from this interpreter's environment, else from PATH."""
    own = SCRIPTS / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"tests/run.py: {name} not found; run: {sys.executable} -m pip install '.[test]'")
    return found


def ensure_googletest() -> None:
    """Installs Debian's GoogleTest where we may; elsewhere CMake finds it or fetches it."""
    if Path("/usr/include/gtest/gtest.h").exists():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-q"], ["install", "-q", "-y", "libgtest-dev"]):
            if subprocess.run(["apt-get", *arguments], env=environment).returncode != 0:
                print("tests/run.py: apt-get failed; CMake will fetch GoogleTest instead", file=sys.stderr)
                return


def build_tree() -> Path:
    """The newest build tree of this interpreter's `pip install`, or a new one."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    trees = sorted(ROOT.glob(f"build/{tag}-*/CMakeCache.txt"), key=lambda cache: cache.stat().st_mtime)
    return trees[-1].parent if trees else ROOT / "build" / "tests"


def run_cpp_tests() -> int:
    """Configures, builds and runs ctest; returns the first failing exit code, else 0."""
    ensure_googletest()
    tree = str(build_tree())
    configure = [tool("cmake"), "-S", str(ROOT), "-B", tree, "-G", "Ninja"]
    configure += [f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}"]
    configure += ["-DRUSHLIGHT_BUILD_TESTS=ON", "-DRUSHLIGHT_BUILD_BINDINGS=OFF"]
    jobs = str(os.cpu_count() or 1)
    for command in (
        configure,
        [tool("cmake"), "--build", tree, "--parallel", jobs],
        [tool("ctest"), "--test-dir", tree, "--output-on-failure", "--parallel", jobs],
    ):
        code = subprocess.run(command, cwd=ROOT).returncode
        if code != 0:
            return code
    return 0


def main() -> int:
    cpp = run_cpp_tests()
    python = subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], cwd=ROOT).returncode
    return cpp or python


if __name__ == "__main__":
    sys.exit(main())
