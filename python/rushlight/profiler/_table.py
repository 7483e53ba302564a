"""Events and averages as text, in PyTorch's columns."""

from __future__ import annotations

from typing import Any


def _duration(microseconds: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= scale:
            return f"{microseconds / scale:.3f}{unit}"
    return f"{microseconds:.3f}us"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole > 0 else "0.00%"


def _cut(text: str, width: int) -> str:
    return text if width < 0 or len(text) <= width else text[: max(width - 3, 0)] + "..."


def _kernel(row: Any) -> str:
    kernels = getattr(row, "kernels", None)
    return ", ".join(kernels) if kernels is not None else str(row.kernel)


def table(
    rows: list[Any], whole: float, with_flops: bool, widths: tuple[int, int], header: str | None
) -> str:
    """The rows under a headline; `whole` is the time that percentages refer to.

    Columns that say nothing (no shapes, no kernels, no known limit) are left out.
    """
    columns: list[tuple[str, list[str]]] = [
        ("Name", [_cut(row.key, widths[0]) for row in rows]),
        ("Self CPU %", [_percent(row.self_cpu_time_total, whole) for row in rows]),
        ("Self CPU", [_duration(row.self_cpu_time_total) for row in rows]),
        ("CPU total %", [_percent(row.cpu_time_total, whole) for row in rows]),
        ("CPU total", [_duration(row.cpu_time_total) for row in rows]),
        ("CPU time avg", [_duration(row.cpu_time) for row in rows]),
        ("# of Calls", [str(row.count) for row in rows]),
        ("Of limit", [f"{100 * row.share_of_limit:.0f}%" if row.share_of_limit else "" for row in rows]),
        ("Kernel", [_kernel(row) for row in rows]),
        (
            "Input Shapes",
            [
                _cut(str([list(s) for s in row.input_shapes]), widths[1]) if row.input_shapes else ""
                for row in rows
            ],
        ),
    ]
    if with_flops:
        columns.append(("GFLOP", [f"{row.flops / 1e9:.3f}" if row.flops else "--" for row in rows]))
    kept = [(name, cells) for name, cells in columns if any(cells) or name in ("Name", "Self CPU")]
    sizes = [max(len(name), *map(len, cells)) if cells else len(name) for name, cells in kept]
    rule = "  ".join("-" * size for size in sizes)
    lines = [] if header is None else [header]
    lines += [rule, "  ".join(name.rjust(size) for (name, _), size in zip(kept, sizes, strict=True)), rule]
    for i in range(len(rows)):
        lines.append("  ".join(cells[i].rjust(size) for (_, cells), size in zip(kept, sizes, strict=True)))
    return "\n".join([*lines, rule, f"Self CPU time total: {_duration(whole)}", ""])
