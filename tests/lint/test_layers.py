"""The shape of the source tree: which layer may include which, and how long a file or function may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "cpp" / "rushlight"

# Layer -> layers it may include. `kernels` and `tensor` do not know each other; only `ops` joins them.
MAY_INCLUDE = {
    "base": {"base"},
    "kernels": {"base", "kernels"},
    "tensor": {"base", "tensor"},
    "autograd": {"base", "tensor", "autograd"},
    "ops": {"base", "kernels", "tensor", "autograd", "ops"},
}
# Python package -> packages of ours it must not import (those above it).
MAY_NOT_IMPORT = {
    "nn": ("vision", "cli", "optim", "io"),
    "optim": ("vision", "cli", "nn", "io"),
    "utils": ("vision", "cli"),
    "io": ("vision", "cli", "nn", "optim"),
    "vision": ("cli",),
    "amp": ("vision", "cli", "nn", "optim", "io"),
    "profiler": ("vision", "cli", "nn", "optim", "io"),
}

FILE_LINES, HEADER_LINES, FUNCTION_LINES = 400, 250, 80
# Longer than the budget, each with the reason why cutting it would not make it clearer.
LONG_FILES: dict[str, str] = {}
# A registration is a list of definitions, one statement each; it is as long as the family has ops.
REGISTRATION = re.compile(r"void bind_\w+\(")


def sources(*patterns: str) -> list[Path]:
    """The project's own files under the given glob patterns, sorted."""
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())


CPP = sources(
    "cpp/**/*.cpp", "cpp/**/*.h", "bindings/*.cpp", "bindings/*.h", "tests/cpp/*.cpp", "tests/cpp/*.h"
)
PYTHON = sources("python/**/*.py", "tests/**/*.py", "bench/*.py", "noxfile.py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def blank_out(text: str) -> str:
    """C++ text with comments, literals and preprocessor lines emptied, line numbers kept."""
    pattern = re.compile(
        r"//[^\n]*|/\*.*?\*/"  # comments
        r'|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"'  # raw strings
        r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''  # strings, characters
        r"|^[ \t]*#(?:\\\n|[^\n])*",  # preprocessor, with continued lines
        re.DOTALL | re.MULTILINE,
    )
    return pattern.sub(lambda match: "\n" * match.group().count("\n"), text)


def cpp_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Yields (head, first line, lines) of every function with a body, outermost only."""
    text = blank_out(text)
    stack: list[tuple[str, str, int]] = []
    head_start = 0
    line = 1
    for position, character in enumerate(text):
        if character == "\n":
            line += 1
        elif character == ";" and not any(kind == "function" for kind, _, _ in stack):
            head_start = position + 1
        elif character == "{":
            head = " ".join(text[head_start:position].split())
            declared = re.sub(r"<[^<>]*>", "", head.split("(")[0])  # not the `class` of a template
            scope = re.search(r"\b(namespace|class|struct|union|enum|extern)\b", declared)
            kind = "scope" if scope else "function" if "(" in head else "block"
            stack.append((kind, head, line))
            head_start = position + 1
        elif character == "}" and stack:
            kind, head, first = stack.pop()
            if kind == "function" and not any(outer == "function" for outer, _, _ in stack):
                yield head, first, line - first + 1
            head_start = position + 1


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("layer", sorted(MAY_INCLUDE))
def test_includes_follow_the_layers(layer: str) -> None:
    wrong = []
    for path in sources(f"cpp/rushlight/{layer}/**/*.cpp", f"cpp/rushlight/{layer}/**/*.h"):
        for target in re.findall(
            r'^\s*#\s*include\s+"rushlight/(\w+)/', path.read_text(encoding="utf-8"), re.M
        ):
            if target not in MAY_INCLUDE[layer]:
                wrong.append(f"{name(path)} includes rushlight/{target}/")
    assert not wrong, wrong


def test_every_engine_folder_is_a_known_layer() -> None:
    assert {path.name for path in ENGINE.iterdir() if path.is_dir()} <= set(MAY_INCLUDE)


def test_includes_are_written_from_the_project_root() -> None:
    wrong = [
        f"{name(path)}: {include}"
        for path in sources("cpp/**/*.cpp", "cpp/**/*.h")
        for include in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.M)
        if not include.startswith("rushlight/")
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("package", sorted(MAY_NOT_IMPORT))
def test_python_packages_import_downwards(package: str) -> None:
    wrong = []
    for path in sources(f"python/rushlight/{package}/**/*.py", f"python/rushlight/{package}.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("rushlight."):
                target = node.module.split(".")[1]
                if target in MAY_NOT_IMPORT[package]:
                    wrong.append(f"{name(path)} imports rushlight.{target}")
    assert not wrong, wrong


def test_files_stay_within_budget() -> None:
    too_long = {}
    for path in CPP + PYTHON:
        budget = HEADER_LINES if path.suffix == ".h" and not path.name.endswith(".inl.h") else FILE_LINES
        if lines_of(path) > budget and name(path) not in LONG_FILES:
            too_long[name(path)] = f"{lines_of(path)} lines, budget {budget}"
    assert not too_long, too_long


def test_functions_stay_within_budget() -> None:
    too_long = {}
    for path in CPP + PYTHON:
        functions = python_functions if path.suffix == ".py" else cpp_functions
        for function, first, lines in functions(path.read_text(encoding="utf-8")):
            listing = name(path).startswith("bindings/") and REGISTRATION.search(function)
            if lines > FUNCTION_LINES and not listing:
                too_long[f"{name(path)}:{first}"] = f"{function}: {lines} lines, budget {FUNCTION_LINES}"
    assert not too_long, too_long


def test_exceptions_are_still_needed() -> None:
    stale = [
        file
        for file in LONG_FILES
        if not (ROOT / file).exists()
        or lines_of(ROOT / file) <= (HEADER_LINES if file.endswith(".h") else FILE_LINES)
    ]
    assert not stale, stale


def test_cpp_functions_are_found() -> None:
    text = """
    namespace a { struct S { int f() const { if (x) { y(); } return 1; } }; }
    #define M(x) { x
    // {
    template <class T> void g(T t) {
      const char* s = "}"; for (;;) { h([&] { z(); }); }
    }
    """
    assert [(head.split("(")[0].split()[-1], lines) for head, _, lines in cpp_functions(text)] == [
        ("f", 1),
        ("g", 3),
    ]
