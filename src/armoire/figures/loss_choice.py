"""Cross-entropy against squared error: the penalty per pixel, and reconstructions of two runs (S5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.figure_data import held_out_images, of_data, paired_run, reconstruct
from armoire.figures.style import ACCENT, BODY, HAIRLINE, INK, MARGIN, PAPER, QUIET, WARNING, Sheet, sheet, tiles
from armoire.images import ImageSet
from armoire.measure.reconstruction import reconstruction_error
from armoire.model import Autoencoder
from armoire.model.kinds import LIKELIHOODS
from armoire.training import Recipe, Run
from armoire.wardrobe import Wardrobe

COLUMNS = 6
MEASURED = 500  # held-out images
TARGETS = ((0.7, ACCENT), (0.3, WARNING))
OF_THE_LOSS = {"likelihood", "sigma", "published_weight", "published_error", "name", "summary", "data"}


def penalty(loss: str, target: float, prediction: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Loss of a prediction g in (0, 1) for a target t: bce -t log g - (1 - t) log(1 - g), or mse (t - g)^2."""
    if loss == "bce":
        return -target * np.log(prediction) - (1 - target) * np.log1p(-prediction)
    return (target - prediction) ** 2


def sharpness(images: UInt8[np.ndarray, "n h w c"]) -> float:
    """Variance of the Laplacian, averaged over images (Pech-Pacheco et al. 2000), pixels in [0, 1]."""
    x = images.astype(np.float32) / 255
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return float((around - 4 * x[:, 1:-1, 1:-1]).var(axis=(1, 2, 3)).mean())


def other_loss_run(wardrobe: Wardrobe) -> Run | None:
    """The first run by name in the same folder and on the same data whose recipe differs in the loss alone."""
    return paired_run(wardrobe, _differ_in_loss)


def how_to_train_pair(wardrobe: Wardrobe) -> str:
    """A message with the command that trains the missing run."""
    recipe, folder = wardrobe.recipe, wardrobe.run.path.parent
    pair = {"fashion-ae": "fashion-ae-rmse", "fashion-ae-rmse": "fashion-ae"}
    if other := pair.get(recipe.name):
        command, same = f"{other} --out {folder / other}", ""
    else:
        kind = "calibrated" if recipe.likelihood == "bernoulli" else "bernoulli"
        out = folder / f"{wardrobe.run.path.name}-{kind}"
        command, same = f"{recipe.name} --likelihood {kind} --out {out}", " and the same other settings"
    return f"no run in the same folder differs in the loss alone; train one with `armoire train {command}`{same}"


def loss_choice(wardrobe: Wardrobe) -> Figure:
    """Left the penalty of each loss; right reconstructions of this run and of the run with the other loss."""
    other = other_loss_run(wardrobe)
    assert other is not None, "a requirement of the figure"
    images = held_out_images(wardrobe)[:MEASURED]
    rows = [_Row.of(wardrobe.run.name, wardrobe.recipe, wardrobe.model, images)]
    rows.append(_Row.of(other.path.name, other.recipe, other.model(wardrobe.model.device), images))
    rows.sort(key=lambda row: row.recipe.likelihood != "bernoulli")
    softer, sharper = sorted(rows, key=lambda row: row.sharpness)
    page = sheet(
        "Cross-entropy penalises errors towards 0 and 1 more; "
        f"{softer.name} reconstructs less sharply than {sharper.name}",
        "Left: loss of a prediction for one pixel value, minus its minimum. Right: two runs that differ in the loss "
        f"alone, on the first {of_data(wardrobe, len(images))}.",
    )
    _penalties(page)
    _show(page, images, rows)
    return page.figure


@dataclass(frozen=True)
class _Row:
    name: str
    recipe: Recipe
    reconstructed: np.ndarray
    errors: dict[str, float]
    sharpness: float  # relative to the originals

    @classmethod
    def of(cls, name: str, recipe: Recipe, model: Autoencoder, images: ImageSet) -> _Row:
        reconstructed, _ = reconstruct(model, images.images)
        share = sharpness(reconstructed) / max(sharpness(np.asarray(images.images)), 1e-12)
        return cls(name, recipe, reconstructed, reconstruction_error(model, images), share)

    @property
    def numbers(self) -> str:
        sharpness = f"sharpness {100 * self.sharpness:.0f} % of the originals'"
        return f"BCE {self.errors['bce']:.4f}   MSE {self.errors['mse']:.4f}   {sharpness}"


def _differ_in_loss(a: Recipe, b: Recipe) -> bool:
    ours, theirs = (recipe.model_dump(exclude=OF_THE_LOSS) for recipe in (a, b))
    return ours == theirs and a.likelihood != b.likelihood


def _penalties(page: Sheet) -> None:
    height = (page.top - 1.2) / 2
    for k, loss in enumerate(("bce", "mse")):
        axes = page.panel(MARGIN + 0.55, 0.8 + (1 - k) * (height + 0.3), 3.9, height - 0.3)
        _curves(axes, loss)
        if k == 1:
            axes.set_xlabel("prediction")


def _curves(axes: Axes, loss: str) -> None:
    prediction = np.linspace(0.02, 0.98, 193)
    for target, colour in TARGETS:
        least = penalty(loss, target, np.array([target]))
        loss_above = penalty(loss, target, prediction) - least
        axes.plot(prediction, loss_above, color=colour, linewidth=2, label=f"target {target}")
    near = np.array([0.6, 0.8])
    costs = penalty(loss, 0.7, near) - penalty(loss, 0.7, np.array([0.7]))
    axes.plot(near, costs, linestyle="", marker="o", markersize=6, color=ACCENT)
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 11, "color": ACCENT}
    look["bbox"] = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}  # behind the numbers, where curves pass
    for x, cost, side, offset in zip(near, costs, ("right", "left"), ((-4, 8), (6, 8)), strict=True):
        axes.annotate(f"{cost:.3f}", (x, cost), offset, ha=side, **look)
    axes.set_title("BCE, nats" if loss == "bce" else "Squared error", loc="left", fontsize=12, pad=10)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 0.3 if loss == "bce" else 0.15)
    axes.set_xticks([0, 0.3, 0.6, 0.7, 0.8, 1], ["0", "0.3", "0.6", "0.7", "0.8", "1"])
    axes.grid(axis="x", color=HAIRLINE, linewidth=0.6)
    if loss == "bce":
        axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1), fontsize=11, handlelength=1, ncols=2, columnspacing=1)


def _show(page: Sheet, images: ImageSet, rows: list[_Row]) -> None:
    originals = np.asarray(images.images)
    left, low = 5.6, 0.3
    blank = page.blank(left, low, page.width - left - MARGIN + 0.1, page.top - low)
    step = ((page.width - left - MARGIN + 0.1) / COLUMNS, (page.top - low) / 3)
    side = min(step[0] - 0.08, step[1] - 0.55)
    names = [f"{row.name}: {LIKELIHOODS.get(row.recipe.likelihood).loss_name}" for row in rows]
    bands = [(originals, "original", "")]
    bands += [(row.reconstructed, name, row.numbers) for row, name in zip(rows, names, strict=True)]
    for k, (pictures, name, numbers) in enumerate(bands):
        top = page.top - low - k * step[1]
        blank.text(0, top - 0.05, name, fontsize=BODY, color=INK, va="top")
        blank.text(0, top - 0.26, numbers, fontsize=10, color=QUIET, va="top")
        tiles(blank, pictures[:COLUMNS], COLUMNS, top - (0.46 if numbers else 0.3), 0, side, (step[0], 0))
