"""The plots of a report, for light and dark pages."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import IntArray
from garabato.evaluation.metrics import Calibration, SelectiveAccuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Side of the confusion matrix, and the smallest and largest side of its cells.
_MATRIX_PX = 1200
_CELL_PX = (10, 30)
#: Longer names are cut.
_NAME_LENGTH = 30
#: With more categories than this, the matrix is labelled on all four sides.
_LARGE = 60
_DPI = 100


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a page and its plots; `first` and `second` are for two series."""

    page: str
    ink: str
    faint: str
    grid: str
    first: str
    second: str
    heat: tuple[str, ...]


LIGHT = Theme(
    page="#ffffff",
    ink="#1f2328",
    faint="#656d76",
    grid="#e4e7eb",
    first="#2458c5",
    second="#c2571a",
    heat=("#ffffff", "#c9d9f5", "#7da3e6", "#2458c5", "#0b1f4d"),
)
DARK = Theme(
    page="#16181c",
    ink="#e6e8eb",
    faint="#9aa3ad",
    grid="#2c3138",
    first="#7fa8ff",
    second="#f0a060",
    heat=("#16181c", "#22345c", "#365fae", "#7fa8ff", "#f2f6ff"),
)
THEMES = {"light": LIGHT, "dark": DARK}


def plot_learning(records: Sequence[Mapping[str, Any]], theme: Theme) -> bytes:
    """Loss, accuracy and learning rate over the training steps, from the training log: PNG."""
    # Short runs log few steps, so the ends of epochs are points of the curves, too.
    steps = [r for r in records if r["kind"] in ("step", "epoch")]
    validated = {
        r["step"]: 100 * r[name]
        for kind, name in (("epoch", "validation_top1"), ("validation", "top1"))
        for r in records
        if r["kind"] == kind and r.get(name) is not None
    }
    with _figure(theme, 11, 3.4, n_columns=3) as (figure, (loss, accuracy, rate)):
        xs = [r["step"] for r in steps]
        marker = "o" if len({*xs}) == 1 else ""  # a line has two points
        for axes, title, ys in (
            (loss, "training loss", [r["loss"] for r in steps]),
            (accuracy, "top-1 while training, %", [100 * r["accuracy"] for r in steps]),
            (rate, "learning rate", [r["learning_rate"] for r in steps]),
        ):
            axes.plot(xs, ys, lw=1.6, marker=marker, ms=3)
            axes.set(title=title, xlabel="step")
            axes.locator_params(axis="x", integer=True)
        if validated:
            accuracy.plot(*zip(*validated.items(), strict=True), lw=1.6, marker="o", ms=3)
            names = ["training, augmented", "validation"]
            # Within the axes the legend would cover a curve.
            figure.legend(accuracy.lines, names, loc="outside lower center", ncols=2)
        for axes in (loss, accuracy, rate):
            highest = axes.dataLim.y1  # -inf if no step was logged
            axes.set_ylim(0, 1.06 * highest if highest > 0 else 1)
            _mark_image_sizes(axes, steps, theme)
        return _png(figure)


def plot_unfinished(top1_by_percent: Mapping[int, float | None], theme: Theme) -> bytes:
    """Top-1 accuracy by the percentage of the ink: PNG."""
    known = {p: 100 * top1 for p, top1 in top1_by_percent.items() if top1 is not None}
    with _figure(theme, 5.2, 3.6) as (figure, (axes,)):
        axes.plot(list(known), list(known.values()), marker="o")
        for point in known.items():
            _annotate(axes, f"{point[1]:.1f}", point, (0, 8), ha="center")
        axes.set(xticks=list(known), xlim=(min(known) - 8, max(known) + 8), ylim=(0, 108))
        axes.set(title="top-1, %", xlabel="ink drawn so far, %")
        return _png(figure)


def plot_reliability(calibration: Calibration, theme: Theme) -> bytes:
    """Reliability diagram: accuracy and number of predictions by probability: PNG."""
    n_bins = len(calibration.n)
    edges = np.linspace(0, 100, n_bins + 1)
    with _figure(theme, 5.2, 3.6) as (figure, (axes,)):
        share = 100 * calibration.n / max(calibration.n.sum(), 1)
        axes.bar(edges[:-1], share, 100 / n_bins * 0.86, align="edge", color=theme.grid)
        axes.plot([0, 100], [0, 100], color=theme.faint, lw=1, ls=(0, (4, 3)))
        confidence, accuracy = 100 * calibration.confidence, 100 * calibration.accuracy
        axes.plot(confidence, accuracy, color=theme.first, marker="o", ms=5)
        legend = "line: accuracy, %\nbars: share of all predictions, %"
        axes.text(3, 93, legend, color=theme.faint, va="top", fontsize=8)
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.set(title="accuracy, %", xlabel="probability of the prediction, %")
        return _png(figure)


def plot_selective_accuracy(
    coverage: npt.NDArray[np.float64],
    precision: npt.NDArray[np.float64],
    chosen: SelectiveAccuracy | None,
    theme: Theme,
) -> bytes:
    """Precision by coverage, (M,) each in 0..1, with the encoder's threshold marked: PNG."""
    with _figure(theme, 5.2, 3.6) as (figure, (axes,)):
        axes.plot(100 * coverage, 100 * precision)
        if chosen is not None and chosen.precision is not None:
            at = (100 * chosen.coverage, 100 * chosen.precision)
            if chosen.chosen_for is not None:
                axes.axhline(100 * chosen.chosen_for, color=theme.faint, lw=1, ls=(0, (4, 3)))
            axes.plot(*at, color=theme.second, marker="o", ms=8)
            text = f"{at[1]:.1f}% correct of\n{at[0]:.1f}% not unsure"
            x, side = (8, "left") if at[0] < 50 else (-8, "right")  # within the axes
            y, end = (-10, "top") if at[1] > 25 else (10, "bottom")
            patch = {"facecolor": theme.page, "alpha": 0.8, "linewidth": 0, "pad": 1}
            _annotate(axes, text, at, (x, y), ha=side, va=end, bbox=patch)
        axes.set(xlim=(0, 102), ylim=(0, 104))
        axes.set(title="accuracy, %", xlabel="drawings, most confident first, %")
        return _png(figure)


def plot_confusion(
    shares: npt.NDArray[np.float64], names: Sequence[str], order: IntArray, theme: Theme
) -> bytes:
    """Confusion matrix: shares (K, K) in 0..1, rows are true categories, in `order` (K,): PNG."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    n = len(order)
    percent = 100 * shares[np.ix_(order, order)]
    cell_px = float(np.clip(_MATRIX_PX / n, *_CELL_PX))
    font_px = min(0.95 * cell_px, 13)
    ticks = [_cut(names[i]) for i in order]
    labels_in = (0.55 * font_px * max(map(len, ticks)) + 20) / _DPI
    on_both_sides = n > _LARGE
    right_in = labels_in if on_both_sides else 0.2
    side_in = max(cell_px * n / _DPI, 2.5)
    bottom_in = labels_in if on_both_sides else 0.2
    width = labels_in + side_in + right_in + 0.7
    height = labels_in + side_in + bottom_in + 0.1
    with _figure(theme, width, height, layout=None) as (figure, (axes,)):
        inch = np.array([width, height] * 2)  # positions are shares of the figure
        axes.set_position(np.array([labels_in, bottom_in, side_in, side_in]) / inch)
        colours = LinearSegmentedColormap.from_list("heat", theme.heat)
        norm = PowerNorm(0.5, 0, 100)
        picture = axes.imshow(percent, cmap=colours, norm=norm, interpolation="nearest")
        size_pt = font_px * 72 / _DPI
        axes.set_xticks(range(n), ticks, rotation=90, fontsize=size_pt)
        axes.set_yticks(range(n), ticks, fontsize=size_pt)
        axes.tick_params(
            length=0,
            pad=3,
            labelcolor=theme.ink,
            labeltop=True,
            labelbottom=on_both_sides,
            labelright=on_both_sides,
        )
        for side in axes.spines.values():
            side.set(visible=True, color=theme.grid)
        axes.grid(False)
        if on_both_sides:  # lines that lead from a name to a cell
            for index in range(10, n, 10):
                axes.axhline(index - 0.5, color=theme.grid, lw=0.5)
                axes.axvline(index - 0.5, color=theme.grid, lw=0.5)
        legend = "row: true category\ncolumn: predicted"
        corner = (0.1 / width, 1 - 0.1 / height)
        figure.text(*corner, legend, color=theme.faint, fontsize=8, va="top")
        bar_in = min(side_in, 3)
        left_in = labels_in + side_in + right_in
        bar_position = np.array([left_in, bottom_in + side_in - bar_in, 0.14, bar_in]) / inch
        bar_axes = figure.add_axes(tuple(bar_position))
        bar = figure.colorbar(picture, cax=bar_axes, ticks=[0, 1, 5, 10, 25, 50, 75, 100])
        bar.ax.set_title("% of row", loc="center", fontsize=8, color=theme.faint)
        bar.ax.tick_params(labelsize=8, labelcolor=theme.ink, color=theme.grid)
        bar.outline.set_visible(False)
        return _png(figure)


@contextmanager
def _figure(
    theme: Theme,
    width_in: float,
    height_in: float,
    *,
    n_columns: int = 1,
    layout: Any = "constrained",
) -> Iterator[tuple[Figure, list[Axes]]]:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.rcsetup import cycler

    style: dict[Any, Any] = {
        "font.size": 9.5,
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": theme.faint,
        "axes.facecolor": theme.page,
        "figure.facecolor": theme.page,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": theme.grid,
        "xtick.color": theme.faint,
        "ytick.color": theme.faint,
        "axes.labelcolor": theme.faint,
        "axes.prop_cycle": cycler(color=[theme.first, theme.second]),
        "axes.titlecolor": theme.ink,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "legend.frameon": False,
        "legend.labelcolor": theme.ink,
        "lines.linewidth": 2,
        "lines.markersize": 6,
        "text.color": theme.ink,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width_in, height_in), dpi=_DPI, layout=layout)
        FigureCanvasAgg(figure)
        yield figure, list(np.atleast_1d(figure.subplots(1, n_columns)))


def _mark_image_sizes(axes: Axes, steps: Sequence[Mapping[str, Any]], theme: Theme) -> None:
    """Mark the steps where progressive resizing changes the image size: curves jump there."""
    for before, after in pairwise(steps):
        size_px = after.get("image_size_px")
        if size_px != before.get("image_size_px"):
            axes.axvline(after["step"], color=theme.faint, lw=1, ls=(0, (1, 3)))
            axes.annotate(
                f" {size_px} px",
                (after["step"], 0.03),
                xycoords=("data", "axes fraction"),
                fontsize=7.5,
                color=theme.faint,
            )


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names in alphabets that matplotlib's font lacks are boxes, as everybody can see.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _annotate(
    axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], **style: Any
) -> None:
    """Write text beside a point, `offset` typographic points away."""
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **style)
