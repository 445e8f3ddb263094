"""The plots, drawn from facts: one function a picture, each writes a PNG and returns its path. The only place that knows matplotlib.

Colours are those of Okabe and Ito, which colour-blind people can tell apart; lines differ in dash or marker too.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from edge.records import Pixels
from evaluation.search_page import PLOTTED
from evaluation.templates import Numbers

mpl.use("Agg")
BLUE, ORANGE, GREEN, RED, PURPLE, GREY, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#555555", "#56B4E9"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P")
DPI = 160
LOG_VARIANCE = "uncertainty, ln s"
TITLES = {"pictures": "several pictures", "degraded": "degraded frames"}
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
}

Facts = Mapping[str, Any]
Given = ParamSpec("Given")


def styled(draw: Callable[Given, Path]) -> Callable[Given, Path]:
    """Draw in the common style, and leave that of the process as it was."""

    @wraps(draw)
    def drawn(*given: Given.args, **named: Given.kwargs) -> Path:
        with mpl.rc_context(STYLE):
            return draw(*given, **named)

    return drawn


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **how: Any) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes as an array rows x columns."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **how)


def _saved(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
    return path


@styled
def sweeps(facts: Facts, path: Path) -> Path:
    """Uncertainty against the strength of each degradation, median and quartiles of the pictures; and against yaw. ρ: Spearman's."""
    figure, grid = _figure(8.2, 4.6, 2, 3, sharey=True)
    axes = grid.ravel()
    for axis, (name, each) in zip(axes, facts["sweeps"].items(), strict=False):
        low, middle, high = each["quartiles"]
        axis.fill_between(each["strengths"], low, high, color=BLUE, alpha=0.2, linewidth=0, label="quartiles")
        axis.plot(each["strengths"], middle, color=BLUE, marker="o", label="median")
        axis.set_title(f"{name}: ρ = {each['rank_correlation']:.2f}")
        axis.set_xlabel(each["unit"])
    yaw, axis = facts["yaw"], axes[len(facts["sweeps"])]
    middles = [(group["from"] + group["to"]) / 2 for group in yaw["groups"]]
    low, middle, high = zip(*(group["quartiles"] for group in yaw["groups"]), strict=True)
    axis.fill_between(middles, low, high, color=ORANGE, alpha=0.25, linewidth=0)
    axis.plot(middles, middle, color=ORANGE, marker="s", label="median of pictures")
    axis.set_title(f"yaw, as it is: ρ = {yaw['rank_correlation_of_pictures']:.2f}")
    axis.set_xlabel("degrees to either side")
    axes[0].legend(loc="upper left")
    for row in grid:
        row[0].set_ylabel(LOG_VARIANCE)
    return _saved(figure, path)


@styled
def histograms(facts: Facts, path: Path) -> Path:
    """Densities of uncertainty: sets as they are, and degraded."""
    figure, grid = _figure(5.4, 3.4)
    axis, found = grid[0, 0], facts["histograms"]
    for place, (name, each) in enumerate(found["sets"].items()):
        label = f"{name} ({each['pictures']} pictures)"
        dash = "--" if name.endswith("degraded") else "-"
        axis.stairs(each["density"], found["edges"], color=COLOURS[place % len(COLOURS)], linestyle=dash, linewidth=1.6, label=label)
    axis.set_xlabel(LOG_VARIANCE)
    axis.set_ylabel("density")
    axis.margins(y=0.3)
    axis.legend(loc="upper left")
    return _saved(figure, path)


@styled
def discard(facts: Facts, path: Path) -> Path:
    """Error versus discard."""
    figure, grid = _figure(7.6, 3.2, 1, 2)
    found = facts["discard"]
    share = 100 * np.array(found["discarded"])
    for axis, name in zip(grid[0], ("as they are", "degraded"), strict=True):
        curve = 100 * np.array(found[name]["by_uncertainty"])
        axis.plot(share, curve, color=BLUE, label="most uncertain pairs first")
        axis.plot(share, np.full(share.size, curve[0]), color=GREY, linestyle=":", label="at random")
        axis.plot(share, 100 * np.array(found[name]["ideal"]), color=GREEN, linestyle="--", label="ideal: failing pairs first")
        axis.set_title(f"probes {name}")
        axis.set_xlabel("mated pairs discarded, %")
        axis.set_ylim(bottom=0)
    grid[0, 0].set_ylabel(f"FNMR, % (FMR {100 * found['fmr']:g} % before discarding)")
    grid[0, 1].legend(loc="lower left")
    return _saved(figure, path)


@styled
def fusion(facts: Facts, path: Path) -> Path:
    """FNIR against the number of frames, for every way of fusing; a row of plots a kind of sequence, a column a template."""
    kinds = {kind: each["frames"] for kind, each in facts["sequences"].items() if each["frames"]}
    names = list(next(iter(next(iter(kinds.values())).values()))["templates"])
    figure, grid = _figure(3.9 * len(names), 2.9 * len(kinds), len(kinds), len(names), sharey="row")
    for row, (kind, frames) in zip(grid, kinds.items(), strict=True):
        for axis, name in zip(row, names, strict=True):
            _fusion_curves(axis, frames, name)
            axis.set_title(f"{TITLES.get(kind, kind)}: {name}")
            axis.set_xlabel("frames")
        row[0].set_ylim(bottom=0)
        row[0].set_ylabel(f"FNIR, % (FPIR {100 * facts['fpir']:g} %)")
    grid[0, 0].legend()
    return _saved(figure, path)


def _fusion_curves(axis: Any, frames: Facts, name: str) -> None:
    ways = [way for way in next(iter(frames.values()))["templates"][name] if way != "mean_minus"]
    for place, way in enumerate(ways):
        values = [100 * each["templates"][name][way]["fnir"] for each in frames.values()]
        dash = "-" if way in ("mean", "uncertainty") else "--"
        axis.plot(range(len(frames)), values, dash, color=COLOURS[place], marker=MARKERS[place], label=way)
    axis.set_xticks(range(len(frames)), [f"{length}\n(n = {each['mates']})" for length, each in frames.items()])


@styled
def threshold(facts: Facts, path: Path) -> Path:
    """The false match rate against the threshold: the law fitted to half the people with its interval, the other half measured."""
    figure, grid = _figure(5.4, 3.6)
    axis = grid[0, 0]
    for place, (name, tail) in enumerate(facts["tails"].items()):
        counts = [row["dissimilarity"] for row in tail["curve"]]
        axis.plot(
            counts, [row["predicted"] for row in tail["curve"]], color=COLOURS[place], linestyle=("-", "--")[place], label=f"tail {name}"
        )
        if all(row["predicted_interval"] for row in tail["curve"]):
            low, high = zip(*(row["predicted_interval"] for row in tail["curve"]), strict=True)
            axis.fill_between(counts, low, high, color=COLOURS[place], alpha=0.15, linewidth=0)
        seen = [row for row in tail["curve"] if row["matches"]]
        axis.plot([row["dissimilarity"] for row in seen], [row["measured"] for row in seen], MARKERS[place], color=GREY, mfc="none")
    axis.plot([], [], "o", color=GREY, mfc="none", label="measured on the people held out")
    axis.set_yscale("log")
    axis.set_ylim(bottom=0.3 / facts["held_comparisons"])
    axis.set_xlabel("unequal symbols, at most")
    axis.set_ylabel("false match rate")
    axis.legend(loc="upper left")
    return _saved(figure, path)


@styled
def det(curves: Facts, path: Path) -> Path:
    """FNMR against FMR of every template, both in per cent on logarithmic axes; the dotted line is where they are equal."""
    figure, grid = _figure(4.6, 3.9)
    axis = grid[0, 0]
    for place, (name, found) in enumerate(curves.items()):
        dash = ("-", "--", ":", "-.")[place % 4]
        fmr, fnmr = (100 * np.array(found[rate]) for rate in ("fmr", "fnmr"))
        axis.plot(fmr, fnmr, color=COLOURS[place], linestyle=dash, label=name, linewidth=2.6 if dash == "--" else 1.6)
    axis.plot([0.03, 100], [0.03, 100], color="#999999", linewidth=0.8, linestyle=(0, (1, 3)))
    axis.set(xscale="log", yscale="log", xlim=(0.03, 100), ylim=(0.5, 105), xlabel="FMR, %", ylabel="FNMR, %")
    for side, ticks in ((axis.xaxis, (0.1, 1, 10, 100)), (axis.yaxis, (1, 3, 10, 30, 100))):
        side.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        side.set_ticks([], minor=True)
    axis.legend(loc="lower left", bbox_to_anchor=(0.0, 0.1))
    return _saved(figure, path)


@styled
def scores(curves: Facts, path: Path) -> Path:
    """Histograms of the scores of mated and non-mated pairs, a plot for each template."""
    figure, grid = _figure(8.2, 2.5 * -(-len(curves) // 2), -(-len(curves) // 2), 2)
    for axis, (name, found) in zip(grid.ravel(), curves.items(), strict=False):
        axis.stairs(found["non_mated"], found["edges"], color=ORANGE, fill=True, alpha=0.55, label="two people")
        axis.stairs(found["mated"], found["edges"], color=BLUE, linewidth=1.6, label="one person")
        axis.set_title(name)
        axis.set_xlabel("cosine" if "cosine" in name else "share of equal symbols" if name == "rank hash" else "1 - dissimilarity / m")
        axis.set_ylabel("pairs")
    for axis in grid.ravel()[len(curves) :]:
        axis.axis("off")
    grid[0, 0].legend()
    return _saved(figure, path)


@styled
def search(facts: Facts, path: Path) -> Path:
    """Time for one probe over the rows of the gallery, relative to a read-only sum of the same bytes; bars are 95 % intervals."""
    figure, grid = _figure(6.4, 4.0)
    axis, sizes = grid[0, 0], facts["sizes"]
    rows = [size["rows"] for size in sizes]
    for place, name in enumerate(PLOTTED):
        if any(name not in size["contenders"] for size in sizes):
            continue
        ratios = [size["contenders"][name]["of"]["sum"] for size in sizes]
        middle = [ratio["median"] for ratio in ratios]
        reach = [[abs(ratio["median"] - ratio[end]) for ratio in ratios] for end in ("low", "high")]
        ours = name.startswith("edge")
        how = {"color": (*COLOURS, SKY, "black")[place % 8], "marker": MARKERS[place % len(MARKERS)], "linestyle": "-" if ours else "--"}
        axis.errorbar(rows, middle, reach, label=name, capsize=2, **how)
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    axis.set(xscale="log", yscale="log", xlabel="rows of 192 bytes", ylabel="time of a probe / read-only sum")
    axis.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10, 20], ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"])
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _saved(figure, path)


@styled
def montage(rows: Sequence[tuple[str, Sequence[tuple[float, Pixels]]]], path: Path) -> Path:
    """People's faces by rising uncertainty, its value below each. rows: name, and ln s with the crop."""
    columns = max(len(pictures) for _, pictures in rows)
    figure, grid = _figure(1.05 * columns + 0.3, 1.28 * len(rows) + 0.2, len(rows), columns)
    for line, (name, pictures) in zip(grid, rows, strict=True):
        for axis in line:
            axis.axis("off")
        for axis, (variance, crop) in zip(line, pictures, strict=False):
            axis.imshow(crop[:, :, ::-1])
            axis.text(0.5, -0.04, f"{variance:+.2f}".replace("-", "−"), transform=axis.transAxes, ha="center", va="top", fontsize=8)
        line[0].set_title(name.replace("_", " "), loc="left", fontsize=8)
    figure.supxlabel(f"{LOG_VARIANCE}, rising from left to right", fontsize=9)
    return _saved(figure, path)


@styled
def strip(rows: Sequence[tuple[float, Numbers]], degradation: str, path: Path) -> Path:
    """ln s of every dimension (columns, by falling rise) at every strength of a degradation (rows)."""
    values = np.stack([row for _, row in rows])
    order = np.argsort(values[0] - values[-1])
    figure, grid = _figure(7.6, 2.6)
    axis = grid[0, 0]
    shown = axis.imshow(values[:, order], aspect="auto", cmap="viridis", interpolation="nearest")
    axis.grid(False)
    axis.set_yticks(range(len(rows)), [f"{strength:g}" for strength, _ in rows])
    axis.set_ylabel(f"{degradation}, pixels")
    axis.set_xlabel("dimension of the embedding, by how much its uncertainty rises")
    figure.colorbar(shown, label="ln s", pad=0.01)
    return _saved(figure, path)


@styled
def unlinkability(layers: Facts, path: Path) -> Path:
    """Linking scores of mated and non-mated rows of two databases: a column a layer of the scheme, a row of plots a linker."""
    linkers = list(next(iter(layers.values())))
    figure, grid = _figure(2.5 * len(layers), 2.1 * len(linkers), len(linkers), len(layers))
    for line, linker in zip(grid, linkers, strict=True):
        for axis, (layer, each) in zip(line, layers.items(), strict=True):
            found = each[linker]
            axis.stairs(found["non_mated_density"], found["edges"], color=ORANGE, fill=True, alpha=0.55, label="two people")
            axis.stairs(found["mated_density"], found["edges"], color=BLUE, linewidth=1.4, label="one person")
            axis.set_title(f"{layer}: D = {found['d_sys']:.2f}")
            axis.set_yticks([])
            axis.set_xlabel(f"{linker}, share of equal symbols", fontsize=7)
    grid[0, 0].legend(fontsize=7)
    return _saved(figure, path)


OF_FACTS: dict[str, Callable[[Facts, Path], Path]] = {"sweeps": sweeps, "histograms": histograms, "discard": discard}
