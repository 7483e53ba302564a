"""The result of a run as one picture: times faster than PyTorch, and distance from the machine's limits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

INK, FAINT = "#333333", "#bbbbbb"
WIN, LOSS = "#2a7f9e", "#c8553d"
DIRECTIONS = {"forward": "#2a7f9e", "grad input": "#e0a030", "grad weight": "#7a5195"}


def ratio_bars(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """(label, ratio to PyTorch) of each row; convolutions as the geometric mean of a batch and direction."""
    bars = []
    convolutions: dict[str, list[float]] = {}
    for row in rows:
        if "torch" not in row["ratios"]:
            continue
        if row["group"] == "conv":
            convolutions.setdefault(_conv_label(row["name"]), []).append(row["ratios"]["torch"])
        else:
            bars.append((row["name"], row["ratios"]["torch"]))
    for label, ratios in convolutions.items():
        bars.append((label, math.exp(sum(map(math.log, ratios)) / len(ratios))))
    return bars


def _direction(name: str) -> str:
    return next(direction for direction in DIRECTIONS if name.endswith(direction))


def _conv_label(name: str) -> str:
    return f"convolutions, batch {name.split('x')[0]}, {_direction(name)} (mean)"


def _draw_bars(axes: Any, bars: list[tuple[str, float]]) -> None:
    labels = [label for label, _ in bars]
    ratios = [ratio for _, ratio in bars]
    places = range(len(bars))
    axes.barh(
        places, [ratio - 1 for ratio in ratios], left=1, color=[WIN if r >= 1 else LOSS for r in ratios]
    )
    for place, ratio in zip(places, ratios, strict=True):
        axes.annotate(
            f"{ratio:.2f}",
            (ratio, place),
            xytext=(3 if ratio >= 1 else -3, 0),
            textcoords="offset points",
            ha="left" if ratio >= 1 else "right",
            va="center",
        )
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xlim(min([*ratios, 1]) / 1.5, max([*ratios, 1]) * 1.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_title("Times faster than PyTorch (its better memory format)", loc="left")


def _draw_roofline(axes: Any, rows: list[dict[str, Any]], limits: dict[str, float]) -> None:
    roofs = {"float32 FMA": limits["fma"]}
    if limits["tiles"]:
        tiles = "float32 as six tile products" if limits["products"] == 6 else "bfloat16 tiles"
        roofs[tiles] = limits["tiles"] / limits["products"]
    shown = [row for row in rows if row["group"] in ("conv", "matmul")]
    intensity = [row["flop"] / row["bytes"] for row in shown]
    low, high = min([*intensity, 4]) / 2, max([*intensity, 256]) * 2
    for name, roof in roofs.items():
        knee = roof / limits["stream"]
        axes.plot(
            [low, knee, high], [low * limits["stream"] / 1e9, roof / 1e9, roof / 1e9], color=INK, linewidth=1
        )
        axes.annotate(
            f"{name}: {roof / 1e9:.0f}",
            (high, roof / 1e9),
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
        )
    for kind, colour in {**DIRECTIONS, "matmul": INK}.items():
        chosen = [i for i, row in enumerate(shown) if row["name"].endswith(kind) or row["group"] == kind]
        if chosen:
            rates = [shown[i]["flop"] / shown[i]["seconds"]["rushlight"]["median"] / 1e9 for i in chosen]
            label = kind if kind == "matmul" else f"convolution, {kind}"
            axes.scatter([intensity[i] for i in chosen], rates, s=18, color=colour, label=label, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_xlabel(f"operations a byte (the slope is {limits['stream'] / 1e9:.0f} GB/s)")
    axes.set_ylabel("GFLOP/s")
    axes.grid(color=FAINT, linewidth=0.4)
    if shown:
        axes.legend(loc="lower right", frameon=False)
    axes.set_title("Against the measured limits of the machine", loc="left")


def draw(result: dict[str, Any], file: Path) -> None:
    """Draws what `python -m bench --json` keeps into `file`; the format follows its suffix."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    facts = result["environment"]
    bars = ratio_bars(result["rows"])
    with rc_context({"font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13, max(5.0, 1.2 + 0.21 * len(bars))), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        _draw_bars(left, bars)
        _draw_roofline(right, result["rows"], result["limits"])
        figure.suptitle(
            f"rushlight {facts['commit']} and PyTorch {facts['torch']}, "
            f"{facts['cpu']}: level {facts['isa']}, {facts['threads']} threads, "
            f"{facts['type']}",
            ha="left",
            x=0.01,
        )
        figure.savefig(file, dpi=130)
