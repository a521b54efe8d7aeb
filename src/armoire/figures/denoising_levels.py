"""How much noise of each kind is taken off, by this run and by one beside it that was trained without noise (S6)."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from armoire.figures.figure_data import held_out_images, run_name
from armoire.figures.paired_run import paired_run
from armoire.figures.style import ACCENT, BODY, HAIRLINE, INK, MARGIN, QUIET, WARNING, sheet
from armoire.measure.denoising import measure_denoising
from armoire.training import Recipe, Run
from armoire.wardrobe import Wardrobe

FREE = {"noise", "name", "summary", "data", "prior"}  # a prior is fitted after training
AXES = {
    "gaussian": ("Gaussian", "standard deviation, of 1"),
    "salt-and-pepper": ("Salt and pepper", "share of the pixels"),
    "masking": ("Masking", "share of the pixels, made black"),
}


def without_noise(wardrobe: Wardrobe) -> Run | None:
    """A run beside this one whose recipe differs in the noise alone, and has none."""
    return paired_run(wardrobe, differ_in_noise)


def denoising_levels(wardrobe: Wardrobe) -> Figure:
    """A panel for each kind of noise: PSNR by level, of the noisy images, of this run, and of one trained without."""
    part, noise = held_out_images(wardrobe), wardrobe.recipe.noise
    found = {run_name(wardrobe): measure_denoising(wardrobe.model, part, noise, progress=wardrobe.progress)}
    other = without_noise(wardrobe)
    if other is not None:
        found[other.path.name] = measure_denoising(other.model(wardrobe.model.device), part, progress=wardrobe.progress)
    ours = found[run_name(wardrobe)]
    page = sheet(_title(ours, noise), _subtitle(ours, noise, other))
    gap = 0.75
    width = (page.width - 2 * MARGIN - 0.6 + gap) / len(AXES)
    for k, kind in enumerate(AXES):
        axes = page.panel(MARGIN + 0.6 + k * width, 0.9, width - gap, page.top - 1.65)
        _curves(axes, found, kind, noise if kind == "gaussian" else 0.0)
        axes.set_ylabel("PSNR, dB" if k == 0 else "")
        if k == 0:
            axes.legend(loc="best", fontsize=BODY - 1)
    return page.figure


def _curves(axes: Axes, found: dict[str, dict[str, Any]], kind: str, trained_with: float) -> None:
    ours = next(iter(found.values()))
    rows = ours["levels"][kind]
    axes.plot([r["level"] for r in rows], [r["noisy_psnr_db"] for r in rows], color=QUIET, linewidth=1.5, label="noisy")
    for (name, measured), colour in zip(found.items(), (ACCENT, WARNING), strict=False):
        rows = measured["levels"][kind]
        values = [row["psnr_db"] for row in rows]
        axes.plot([r["level"] for r in rows], values, color=colour, linewidth=2, marker="o", markersize=5, label=name)
    if trained_with:
        axes.axvline(trained_with, color=HAIRLINE, linewidth=1)
        axes.annotate("trained", (trained_with, axes.get_ylim()[0]), (4, 4), textcoords="offset points", fontsize=10)
    axes.set_title(AXES[kind][0], loc="left", fontsize=14, color=INK, pad=10)
    axes.set_xlabel(AXES[kind][1])
    axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(6))


def _title(ours: dict[str, Any], noise: float) -> str:
    gains = {kind: max(row["psnr_db"] - row["noisy_psnr_db"] for row in rows) for kind, rows in ours["levels"].items()}
    best = max(gains, key=lambda kind: gains[kind])
    return (
        f"Trained with Gaussian noise of {noise:g}, it takes off {AXES[best][0].lower()} noise best: "
        f"{gains[best]:.1f} dB at the most"
    )


def _subtitle(ours: dict[str, Any], noise: float, other: Run | None) -> str:
    beside = f" Beside it {other.path.name}, trained without noise." if other else ""
    return (
        f"{ours['n']:,} held-out images with noise added, decoded and compared with the clean ones; without noise "
        f"{ours['clean']['psnr_db']:.1f} dB.{beside} Below the grey line nothing is gained."
    )


def differ_in_noise(a: Recipe, b: Recipe) -> bool:
    """Whether the second was trained as the first was, but on clean images."""
    return a.model_dump(exclude=FREE) == b.model_dump(exclude=FREE) and b.noise == 0
