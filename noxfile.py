"""Development sessions: `nox -s lint`, `nox -s tests`, ... CI runs the same commands from .ci/run."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, lint and types."""
    session.install(".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = session.run("git", "ls-files", "*.cpp", "*.h", external=True, silent=True)
    session.run("clang-format", "--dry-run", "--Werror", *str(sources).split())
    session.run("mypy")


@nox.session(python=["3.10", "3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """The README's test line: C++ tests, then Python tests."""
    session.install(".[test]")
    session.run("python", "tests/run.py", *session.posargs)


@nox.session
def parity(session: nox.Session) -> None:
    """Comparison with PyTorch."""
    session.install(".[test]", "torch==2.13.0")
    session.run("pytest", "-m", "parity", *session.posargs)


@nox.session
def asan(session: nox.Session) -> None:
    """C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    session.install("cmake", "ninja")
    session.run("cmake", "--preset", "asan-ubsan")
    session.run("cmake", "--build", "--preset", "asan-ubsan")
    session.run("ctest", "--preset", "asan-ubsan", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Every Python block of README.md and docs/."""
    session.install(".[test]")
    session.run("pytest", "tests/test_readme.py", *session.posargs)
