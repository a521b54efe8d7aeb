"""PSNR by noise level and kind, of this run and of one trained without noise (S6)."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.figure_data import held_out_images, paired_run
from armoire.figures.style import ACCENT, BODY, HAIRLINE, INK, QUIET, WARNING, plot_grid, sheet
from armoire.measure.denoising import measure_denoising
from armoire.training import Recipe, Run
from armoire.wardrobe import Wardrobe

FREE = {"noise", "name", "summary", "data", "prior"}  # a prior is fitted after training
AXES = {
    "gaussian": ("Gaussian", "standard deviation, for pixels in [0, 1]"),
    "salt-and-pepper": ("Salt and pepper", "share of the pixels"),
    "masking": ("Masking", "share of the pixels, set to black"),
}


def denoising_levels(wardrobe: Wardrobe) -> Figure:
    """A panel per kind of noise: PSNR by level, of noisy images, of this run, and of one trained without noise."""
    part, noise = held_out_images(wardrobe), wardrobe.recipe.noise
    ours = measure_denoising(wardrobe.model, part, noise, progress=wardrobe.progress)
    found, other = {wardrobe.run.name: ours}, paired_run(wardrobe, differ_in_noise)
    if other is not None:
        found[other.path.name] = measure_denoising(other.model(wardrobe.model.device), part, progress=wardrobe.progress)
    page = sheet(_title(ours, noise), _subtitle(ours, other))
    panels = page.panels(len(AXES), 0.75)
    for axes, kind in zip(panels, AXES, strict=True):
        _curves(axes, found, kind, noise if kind == "gaussian" else 0.0)
    panels[0].set_ylabel("PSNR, dB")
    panels[0].legend(loc="best", fontsize=BODY - 1)
    return page.figure


def differ_in_noise(a: Recipe, b: Recipe) -> bool:
    """Whether the second recipe is the first without noise."""
    return a.model_dump(exclude=FREE) == b.model_dump(exclude=FREE) and b.noise == 0


def _curves(axes: Axes, found: dict[str, dict[str, Any]], kind: str, trained_with: float) -> None:
    rows = next(iter(found.values()))["levels"][kind]
    levels = [row["level"] for row in rows]
    axes.plot(levels, [row["noisy_psnr_db"] for row in rows], color=QUIET, linewidth=1.5, label="noisy")
    for (name, measured), colour in zip(found.items(), (ACCENT, WARNING), strict=False):
        values = [row["psnr_db"] for row in measured["levels"][kind]]
        axes.plot(levels, values, color=colour, linewidth=2, marker="o", markersize=5, label=name)
    if trained_with:
        axes.axvline(trained_with, color=HAIRLINE, linewidth=1)
        axes.annotate("training", (trained_with, axes.get_ylim()[0]), (4, 4), textcoords="offset points", fontsize=10)
    title, unit = AXES[kind]
    axes.set_title(title, loc="left", fontsize=14, color=INK, pad=10)
    axes.set_xlabel(unit)
    plot_grid(axes)


def _title(ours: dict[str, Any], noise: float) -> str:
    gains = {kind: max(row["psnr_db"] - row["noisy_psnr_db"] for row in rows) for kind, rows in ours["levels"].items()}
    best = max(gains, key=lambda kind: gains[kind])
    return (
        f"Trained with Gaussian noise of {noise:g}, it gains most PSNR on {AXES[best][0].lower()} noise: "
        f"up to {gains[best]:.1f} dB"
    )


def _subtitle(ours: dict[str, Any], other: Run | None) -> str:
    compared = f" Compared with {other.path.name}, trained without noise." if other else ""
    return (
        f"PSNR of reconstructions of {ours['n']:,} noisy held-out images against the clean images; without noise "
        f"{ours['clean']['psnr_db']:.1f} dB.{compared} Below the grey line, denoising makes the image worse."
    )
