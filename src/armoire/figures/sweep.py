"""What a nat of rate buys: distortion against rate at several betas, and what becomes of the samples (S8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from armoire.figures.style import ACCENT, BODY, HAIRLINE, INK, MARGIN, QUIET, WARNING, png, sheet, style
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
    """Left the rate-distortion curve, right (where samples were measured) their Frechet distance by beta."""
    measured = [row for row in rows if "fd" in row]
    page = sheet(_title(rows, measured), _subtitle(rows, measured, recipe))
    gap = 1.1
    panels = 2 if measured else 1
    width = (page.width - 2 * MARGIN - 0.7 + gap) / panels
    left = page.panel(MARGIN + 0.7, 0.9, width - gap, page.top - 1.65)
    _trade(left, rows)
    if measured:
        right = page.panel(MARGIN + 0.7 + width, 0.9, width - gap, page.top - 1.65)
        _quality(right, measured)
    return page.figure


def _title(rows: list[dict[str, Any]], measured: list[dict[str, Any]]) -> str:
    least, most = rows[-1], rows[0]
    told = (
        f"From beta {most['beta']:g} to {least['beta']:g} the rate falls from {most['rate_nats']:.1f} to "
        f"{least['rate_nats']:.1f} nats, and the distortion grows by "
        f"{least['distortion_nats'] - most['distortion_nats']:.1f}"
    )
    if measured:
        best = min(measured, key=lambda row: row["fd"])
        told += f"; samples are best at beta {best['beta']:g}"
    return told


def _subtitle(rows: list[dict[str, Any]], measured: list[dict[str, Any]], recipe: Recipe) -> str:
    epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"
    told = f"Recipe {recipe.name}, trained for {epochs} with each of {len(rows)} betas, measured on held-out images."
    if measured:
        told += f" Right: draws from N(0, I), by the features of {measured[0]['features']}."
    return told


def _trade(axes: Axes, rows: list[dict[str, Any]]) -> None:
    rates, distortions = ([row[name] for row in rows] for name in ("rate_nats", "distortion_nats"))
    axes.plot(rates, distortions, color=ACCENT, linewidth=2, marker="o", markersize=6)
    for row in rows:
        where = (row["rate_nats"], row["distortion_nats"])
        axes.annotate(f"β {row['beta']:g}", where, (7, 6), textcoords="offset points", fontsize=11, color=INK)
    _finish(axes, "What is lost against what the place costs", "rate, nats per image", "distortion, nats per image")


def _quality(axes: Axes, rows: list[dict[str, Any]]) -> None:
    betas = [max(row["beta"], 1e-6) for row in rows]
    for name, label, colour in (
        ("fd", "samples", WARNING),
        ("fd_reconstructions", "reconstructions", ACCENT),
        ("fd_floor", "real images (floor)", QUIET),
    ):
        axes.plot(betas, [row[name] for row in rows], color=colour, linewidth=2, marker="o", markersize=5, label=label)
    axes.set_xscale("log")
    # The betas themselves: powers of ten would be set as formulas, and are not what was asked for.
    axes.set_xticks(betas, [f"{row['beta']:g}" for row in rows])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", fontsize=BODY)
    _finish(axes, "Fréchet distance to held-out images; less is closer", "beta", "")


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=13, color=INK, pad=12)
    axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.1, y=0.12)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
