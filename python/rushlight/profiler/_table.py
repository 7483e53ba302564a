"""Events and averages as text, in PyTorch's columns."""

from __future__ import annotations

from typing import Any, NamedTuple

from ._events import Columns


class Widths(NamedTuple):
    """The most characters a cell may have; -1: any number."""

    source: int
    name: int
    shapes: int


def _duration(microseconds: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= scale:
            return f"{microseconds / scale:.3f}{unit}"
    return f"{microseconds:.3f}us"


def _memory(count: int) -> str:
    for unit, scale in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if abs(count) >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count} B"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole > 0 else "0.00%"


def _cut(text: str, width: int) -> str:
    return text if width < 0 or len(text) <= width else text[: max(width - 3, 0)] + "..."


def _cut_front(text: str, width: int) -> str:
    return text if width < 0 or len(text) <= width else "..." + text[len(text) - max(width - 3, 0) :]


def _shapes(row: Any) -> str:
    return str([list(shape) for shape in row.input_shapes]) if row.input_shapes else ""


def _kernel(row: Any) -> str:
    kernels = getattr(row, "kernels", None)
    return ", ".join(kernels) if kernels is not None else str(row.kernel)


def table(rows: list[Any], whole: float, asked: Columns, widths: Widths, header: str | None) -> str:
    """The rows under a headline; `whole` is the time that percentages refer to.

    Columns that say nothing (no shapes, no kernels, no known limit, no stack) are left out.
    """
    columns: list[tuple[str, list[str]]] = [
        ("Name", [_cut(row.key, widths.name) for row in rows]),
        ("Self CPU %", [_percent(row.self_cpu_time_total, whole) for row in rows]),
        ("Self CPU", [_duration(row.self_cpu_time_total) for row in rows]),
        ("CPU total %", [_percent(row.cpu_time_total, whole) for row in rows]),
        ("CPU total", [_duration(row.cpu_time_total) for row in rows]),
        ("CPU time avg", [_duration(row.cpu_time) for row in rows]),
    ]
    if asked.memory:
        columns.append(("CPU Mem", [_memory(row.cpu_memory_usage) for row in rows]))
        columns.append(("Self CPU Mem", [_memory(row.self_cpu_memory_usage) for row in rows]))
    columns += [
        ("# of Calls", [str(row.count) for row in rows]),
        ("Of limit", [f"{100 * row.share_of_limit:.0f}%" if row.share_of_limit else "" for row in rows]),
        ("Kernel", [_kernel(row) for row in rows]),
        ("Input Shapes", [_cut(_shapes(row), widths.shapes) for row in rows]),
    ]
    if asked.flops:
        columns.append(("GFLOP", [f"{row.flops / 1e9:.3f}" if row.flops else "--" for row in rows]))
    sources = [[_cut_front(line, widths.source) for line in row.stack] or [""] for row in rows]
    columns.append(("Source Location", [lines[0] for lines in sources]))
    kept = [(name, cells) for name, cells in columns if any(cells) or name in ("Name", "Self CPU")]
    sizes = [max(len(name), *map(len, cells)) if cells else len(name) for name, cells in kept]
    if kept[-1][0] == "Source Location":
        sizes[-1] = max(sizes[-1], *(len(line) for lines in sources for line in lines))
    rule = "  ".join("-" * size for size in sizes)
    lines = [] if header is None else [header]
    lines += [rule, "  ".join(name.rjust(size) for (name, _), size in zip(kept, sizes, strict=True)), rule]
    for i in range(len(rows)):
        lines.append("  ".join(cells[i].rjust(size) for (_, cells), size in zip(kept, sizes, strict=True)))
        if kept[-1][0] == "Source Location":
            lines += [line.rjust(len(rule)) for line in sources[i][1:]]
    return "\n".join([*lines, rule, f"Self CPU time total: {_duration(whole)}", ""])
