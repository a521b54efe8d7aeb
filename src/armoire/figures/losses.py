"""Training curves: distortion, rate and objective by epoch, on training and held-out images."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from armoire.figures.style import ACCENT, BODY, INK, QUIET, plot_grid, sheet
from armoire.wardrobe import Wardrobe

TERMS = {
    "distortion": "the reconstruction term, −log p(x|z)",
    "rate": "the regularisation term, KL(q(z|x) ‖ N(0, I))",
    "objective": "the training loss, distortion + {beta:g} × rate",
}


def losses(wardrobe: Wardrobe) -> Figure:
    """A panel per term, in nats per image: train and held out by epoch; of an autoencoder the distortion alone."""
    history, split = wardrobe.run.history, held_out_split(wardrobe.run.history)
    terms = list(TERMS) if wardrobe.model.posterior.is_stochastic else ["distortion"]
    kept = wardrobe.run.measured
    objective, steps = kept[f"{split}_objective_nats"], f"{kept['step']:,.0f} steps"
    page = sheet(
        f"{wardrobe.run.name}: {objective:.1f} nats per held-out image after {steps}",
        _subtitle(kept, split),
    )
    for axes, term in zip(page.panels(len(terms), 0.95), terms, strict=True):
        _curves(axes, history, split, term)
        axes.set_title(term.capitalize(), loc="left", fontsize=15, color=INK, pad=26)
        text = TERMS[term].format(beta=wardrobe.recipe.beta)
        axes.annotate(text, (0, 1), (0, 9), "axes fraction", textcoords="offset points", fontsize=10, color=QUIET)
    return page.figure


def held_out_split(history: list[dict[str, float]]) -> str:
    """The held-out split of a history: test, or valid."""
    return "test" if "test_objective_nats" in history[0] else "valid"


def _curves(axes: Axes, history: list[dict[str, float]], split: str, term: str) -> None:
    epochs = [row["epoch"] for row in history]
    marker_size = 5 if len(epochs) <= 30 else 0
    for name, label, colour in (("train", "train", QUIET), (split, "held out", ACCENT)):
        values = [row[f"{name}_{term}_nats"] for row in history]
        axes.plot(epochs, values, color=colour, linewidth=2, marker="o", markersize=marker_size, label=label)
    plot_grid(axes)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.margins(y=0.15)
    axes.set_xlabel("epoch")
    axes.set_ylabel("nats per image")
    axes.legend(loc="best", fontsize=BODY)


def _subtitle(last: dict[str, float], split: str) -> str:
    text = f"Training averages are taken between measurements, held-out ({split}) averages at them."
    if f"{split}_published_total_loss" not in last:
        return text
    total, error, kl = (last[f"{split}_published_{key}"] for key in ("total_loss", "reconstruction_loss", "kl_loss"))
    parts = f" = {error:.4g} reconstruction + {kl:.3g} KL" if kl else ""
    return f"{text} Final loss in the scale of the published code: {total:.4g}{parts}."
