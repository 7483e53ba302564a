"""How rows are printed and kept."""

from __future__ import annotations

from typing import Any

from bench.compare import SUBJECT, Row
from bench.environment import Limits


def duration(seconds: float) -> str:
    """Three digits and a unit: "1.24 ms"."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def describe_limits(limits: Limits) -> str:
    """The measured limits in one line."""
    tiles = f", bfloat16 tiles {limits.tiles / 1e9:.0f} GFLOP/s" if limits.tiles else ""
    memory = [("a + s*b", limits.stream), ("in place", limits.update), ("sum", limits.read)]
    rates = ", ".join(f"{name} {rate / 1e9:.0f} GB/s" for name, rate in memory)
    return f"FMA {limits.fma / 1e9:.0f} GFLOP/s{tiles}, {rates}"


def share(row: Row, limits: Limits) -> tuple[float, str]:
    """The fraction of the machine's limit that rushlight reaches, and which limit; (0, "") if unknown."""
    least, bound = limits.least_seconds(row.case.flop, row.case.bytes, row.case.traffic)
    return least / row.timings[SUBJECT].median, bound


def line(row: Row, limits: Limits) -> str:
    """One printed line: ratios, share of the limit, the timings."""
    cells = ["  ".join(f"{ratio:5.2f}x {library}" for library, ratio in sorted(row.ratios().items()))]
    reached, bound = share(row, limits)
    if bound:
        cells.append(f"{100 * reached:3.0f}% of {bound}")
    for candidate, timing in row.timings.items():
        cell = f"{candidate} {duration(timing.median)} ±{100 * timing.spread / timing.median:.0f}%"
        if candidate == SUBJECT and row.case.flop:
            cell += f", {row.case.flop / timing.median / 1e9:.0f} GFLOP/s"
        elif candidate == SUBJECT and row.case.bytes:
            cell += f", {row.case.bytes / timing.median / 1e9:.0f} GB/s"
        cells.append(cell)
    return f"  {row.case.name:<38} {' | '.join(cells)}"


def as_json(group: str, row: Row, limits: Limits) -> dict[str, Any]:
    """A row for the file of `--json`; times in seconds."""
    reached, bound = share(row, limits)
    return {
        "group": group,
        "name": row.case.name,
        "ratios": row.ratios(),
        "share_of_limit": reached,
        "limit": bound,
        "flop": row.case.flop,
        "bytes": row.case.bytes,
        "seconds": {name: {"median": t.median, "spread": t.spread} for name, t in row.timings.items()},
    }
