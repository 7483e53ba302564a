"""``report.png``: how a run went, on one page."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushlight.finetune._data import Pictures
from rushlight.finetune._settings import Settings
from rushlight.io._atomic import atomic_write

if TYPE_CHECKING:
    from rushlight.finetune._run import Evaluation

_INK, _MUTED, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_TRAIN, _HELD_OUT, _WRONG, _RIGHT = "#8aa4c2", "#1f5fa8", "#c0392b", "#2e8540"
_EXAMPLES = 9
# Beyond this many classes, counts and names in the confusion matrix would not be readable.
_MOST_COUNTS, _MOST_NAMES = 16, 40


def plots_available(say: Callable[[str], None]) -> bool:
    """Whether matplotlib is there; says what it takes if not."""
    if importlib.util.find_spec("matplotlib") is not None:
        return True
    say("report.png will not be written: it needs matplotlib: pip install 'rushlight[plots]'")
    return False


def write_report(
    path: Path,
    settings: Settings,
    history: Sequence[dict[str, float]],
    classes: Sequence[str],
    confusion: Sequence[Sequence[int]],
    pictures: Pictures,
    final: Evaluation,
) -> None:
    """Draw curves, confusion matrix and examples, and write them to ``path`` whole or not at all."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {"font.size": 10, "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _MUTED}
    style.update({"xtick.color": _MUTED, "ytick.color": _MUTED})
    with rc_context(style):
        figure = Figure(figsize=(12, 10), dpi=120, facecolor="white")
        sides = {"left": 0.065, "right": 0.965}
        upper = figure.add_gridspec(
            2, 2, **sides, top=0.865, bottom=0.4, width_ratios=[1, 1.08], hspace=0.3, wspace=0.3
        )
        rows = figure.add_gridspec(2, 1, **sides, top=0.318, bottom=0.058, hspace=0.85)
        _title(figure, settings, history, final)
        _curve(figure.add_subplot(upper[0, 0]), history, "loss", "Loss", scale=1)
        _curve(figure.add_subplot(upper[1, 0]), history, "accuracy", "Accuracy, %", scale=100)
        _confusion(figure.add_subplot(upper[:, 1]), classes, confusion)
        hits = [i for i, (p, a) in enumerate(zip(final.predicted, final.actual, strict=True)) if p == a]
        misses = sorted(set(range(len(final.actual))) - set(hits), key=lambda i: -final.confidence[i])
        spread = hits[:: max(len(hits) // _EXAMPLES, 1)]
        _examples(figure, rows[0], f"Right: {len(hits)}", _RIGHT, spread, classes, pictures, final)
        title = f"Wrong: {len(misses)}" + (", the most confident first" if len(misses) > 1 else "")
        _examples(figure, rows[1], title, _WRONG, misses, classes, pictures, final)
        data = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(data, format="png")
    with atomic_write(str(path)) as file:
        file.write(data.getvalue())


def _title(figure: Any, settings: Settings, history: Sequence[dict[str, float]], final: Evaluation) -> None:
    seconds = sum(row["seconds"] for row in history)
    what = f"{settings.arch} on {_short(Path(settings.data).resolve().name, 32)}"
    if settings.freeze_backbone:
        what += ", backbone frozen"
    figure.text(0.065, 0.948, what, fontsize=19, fontweight="bold")
    figure.text(
        0.065,
        0.92,
        f"{len(history)} epoch{'s' if len(history) > 1 else ''} in {seconds:.0f} s, "
        f"{settings.side}x{settings.side} pixels, "
        f"batches of {settings.batch_size}, lr {settings.lr:g}, seed {settings.seed}",
        color=_MUTED,
        fontsize=11,
    )
    figure.text(
        0.965, 0.94, f"{final.accuracy:.1%}", fontsize=25, fontweight="bold", color=_HELD_OUT, ha="right"
    )
    figure.text(0.965, 0.92, "held-out accuracy", color=_MUTED, fontsize=11, ha="right")


def _curve(axes: Any, history: Sequence[dict[str, float]], name: str, title: str, scale: float) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    epochs = [row["epoch"] for row in history]
    for kind, label, color in (("train", "training", _TRAIN), ("held_out", "held out", _HELD_OUT)):
        values = [row[f"{kind}_{name}"] * scale for row in history]
        axes.plot(epochs, values, color=color, linewidth=2.2, marker="o", markersize=4.5, label=label)
    losses = [row[f"{kind}_loss"] for row in history for kind in ("train", "held_out")]
    if name == "loss" and max(losses) > 10 * min(losses) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=_INK)
    if name == "accuracy":
        axes.set_xlabel("epoch", color=_MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.set_xlim(min(epochs) - 0.25, max(epochs) + 0.25)
    axes.grid(axis="y", color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")


def _confusion(axes: Any, classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    count = len(classes)
    shares = [[cell / max(sum(row), 1) for cell in row] for row in confusion]
    blues = LinearSegmentedColormap.from_list("report", ["#ffffff", "#a9c4e2", _HELD_OUT])
    axes.imshow(shares, cmap=blues, vmin=0, vmax=1)
    if count <= _MOST_COUNTS:
        for i, row in enumerate(confusion):
            for j, cell in enumerate(row):
                if cell:
                    color = _WRONG if i != j else "white" if shares[i][j] > 0.4 else _INK
                    axes.text(j, i, str(cell), ha="center", va="center", color=color, fontweight="bold")
    axes.set_title("Held-out pictures", loc="left", fontsize=12, fontweight="bold", color=_INK)
    axes.set_xlabel("taken for", color=_MUTED)
    axes.set_ylabel("really", color=_MUTED)
    if count <= _MOST_NAMES:
        names = [_short(name, 14) for name in classes]
        columns = names
        if max(len(name) for name in names) * count > 60:  # too long to stand side by side
            columns = [str(i + 1) for i in range(count)]
            names = [f"{name}  {i + 1}" for i, name in enumerate(names)]
        size = 10 if columns is names else 8.5 if count <= 24 else 7.5
        axes.set_xticks(range(count), columns, color=_INK, fontsize=size)
        axes.set_yticks(range(count), names, color=_INK, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xticks([i - 0.5 for i in range(1, count)], minor=True)
    axes.set_yticks([i - 0.5 for i in range(1, count)], minor=True)
    axes.grid(which="minor", color=_GRID, linewidth=0.8 if count <= _MOST_NAMES else 0)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_color(_GRID)


def _examples(
    figure: Any,
    place: Any,
    title: str,
    color: str,
    chosen: Sequence[int],
    classes: Sequence[str],
    pictures: Pictures,
    final: Evaluation,
) -> None:
    row = place.subgridspec(1, _EXAMPLES, wspace=0.12)
    for column in range(_EXAMPLES):
        axes = figure.add_subplot(row[0, column])
        axes.set_axis_off()
        axes.set_anchor("NW")
        if column == 0:
            axes.text(0, 1.14, title, transform=axes.transAxes, fontsize=12, fontweight="bold", color=color)
        if column >= len(chosen):
            continue
        i = chosen[column]
        image = pictures.plain(pictures.read(pictures.held_out[i]))
        axes.imshow(image, interpolation="nearest" if image.width < 64 else "antialiased")
        caption = f"{_short(classes[final.predicted[i]], 15)}\n{final.confidence[i]:.0%} sure"
        if color == _WRONG:
            caption += f"\nreally {_short(classes[final.actual[i]], 9)}"
        axes.text(0.5, -0.06, caption, transform=axes.transAxes, ha="center", va="top", fontsize=8.5)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
