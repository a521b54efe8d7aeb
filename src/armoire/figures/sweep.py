"""The rate-distortion curve over several betas, and the Fréchet distance of samples by beta (S8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.style import ACCENT, BODY, INK, MARGIN, QUIET, WARNING, plot_grid, png, sheet, style
from armoire.io.files import write_bytes
from armoire.training import Recipe

FILE = "sweep.png"


def save_sweep(rows: list[dict[str, Any]], out: Path, recipe: Recipe) -> Path:
    """Draw the rows of a sweep into OUT/sweep.png and return its path."""
    path = out / FILE
    with style():
        write_bytes(path, png(draw_sweep(rows, recipe)))
    return path


def draw_sweep(rows: list[dict[str, Any]], recipe: Recipe) -> Figure:
    """Left the rate-distortion curve; right, where samples were measured, their Fréchet distance by beta."""
    measured = [row for row in rows if "fd" in row]
    page = sheet(_title(rows, measured), _subtitle(rows, measured, recipe))
    left, *right = page.panels(2 if measured else 1, 1.1, MARGIN + 0.7)
    _rate_distortion(left, rows)
    if right:
        _frechet_distances(right[0], measured)
    return page.figure


def _title(rows: list[dict[str, Any]], measured: list[dict[str, Any]]) -> str:
    first, last = rows[0], rows[-1]
    title = (
        f"From beta {first['beta']:g} to {last['beta']:g} the rate falls from {first['rate_nats']:.1f} to "
        f"{last['rate_nats']:.1f} nats, and the distortion grows by "
        f"{last['distortion_nats'] - first['distortion_nats']:.1f}"
    )
    if measured:
        best = min(measured, key=lambda row: row["fd"])
        title += f"; samples are best at beta {best['beta']:g}"
    return title


def _subtitle(rows: list[dict[str, Any]], measured: list[dict[str, Any]], recipe: Recipe) -> str:
    trained = f"trained for {recipe.length}" if recipe.length else "trained"
    text = f"Recipe {recipe.name}, {trained} with each of {len(rows)} betas, measured on held-out images."
    if measured:
        text += f" Right: samples from N(0, I), in the features of {measured[0]['features']}."
    return text


def _rate_distortion(axes: Axes, rows: list[dict[str, Any]]) -> None:
    rates, distortions = ([row[name] for row in rows] for name in ("rate_nats", "distortion_nats"))
    axes.plot(rates, distortions, color=ACCENT, linewidth=2, marker="o", markersize=6)
    for row in rows:
        point = (row["rate_nats"], row["distortion_nats"])
        axes.annotate(f"β {row['beta']:g}", point, (7, 6), textcoords="offset points", fontsize=11, color=INK)
    _finish(axes, "Rate-distortion curve", "rate, nats per image", "distortion, nats per image")


def _frechet_distances(axes: Axes, rows: list[dict[str, Any]]) -> None:
    betas = [max(row["beta"], 1e-6) for row in rows]
    for name, label, colour in (
        ("fd", "samples", WARNING),
        ("fd_reconstructions", "reconstructions", ACCENT),
        ("fd_floor", "training images (floor)", QUIET),
    ):
        axes.plot(betas, [row[name] for row in rows], color=colour, linewidth=2, marker="o", markersize=5, label=label)
    axes.set_xscale("log")
    # Ticks at the betas themselves, which need not be powers of ten.
    axes.set_xticks(betas, [f"{row['beta']:g}" for row in rows])
    axes.minorticks_off()
    axes.legend(loc="best", fontsize=BODY)
    _finish(axes, "Fréchet distance to held-out images; lower is better", "beta", "")
    axes.set_ylim(bottom=0)


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=13, color=INK, pad=12)
    plot_grid(axes)
    axes.margins(x=0.1, y=0.12)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
