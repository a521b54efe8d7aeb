"""A kind of figure: its name and description, when it applies to a run, and how to draw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from armoire.errors import ArmoireError
from armoire.figures.figure_data import classes_of, shown_latents
from armoire.figures.loss_choice import how_to_train_pair, other_loss_run
from armoire.figures.style import style
from armoire.measure.editing import held_out_editing, leakage_matrix
from armoire.wardrobe import Wardrobe

Requirement = Callable[[Wardrobe], str]  # why a run does not meet it and what to do, "" where it does


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure; `is_default` says whether to draw it for a run where no name is given."""

    name: str
    description: str
    make: Callable[[Wardrobe], Figure]
    requirements: tuple[Requirement, ...] = ()
    is_default: Callable[[Wardrobe], bool] = lambda wardrobe: True

    def missing(self, wardrobe: Wardrobe) -> str:
        """The first requirement that a run does not meet, "" where it meets all."""
        return next((reason for check in self.requirements if (reason := check(wardrobe))), "")

    def applies(self, wardrobe: Wardrobe) -> bool:
        """Whether to draw it for a run where no name is given."""
        return self.is_default(wardrobe) and not self.missing(wardrobe)

    def draw(self, wardrobe: Wardrobe) -> Figure:
        """Draw it for a run; an error if the run does not meet a requirement."""
        if reason := self.missing(wardrobe):
            raise ArmoireError(f"cannot draw '{self.name}' for {wardrobe.run}: {reason}")
        with style():
            return self.make(wardrobe)


# Their docstrings are the column "needs" of the documentation.
def needs_plane(wardrobe: Wardrobe) -> str:
    """Two latent dimensions."""
    d = wardrobe.recipe.dimensions
    return "" if d == 2 else f"it needs two latent dimensions, and this run has {d}; train one with --latent 2"


def needs_prior(wardrobe: Wardrobe) -> str:
    """A VAE."""
    if wardrobe.model.posterior.is_stochastic:
        return ""
    return "an autoencoder has no prior N(0, I); train a VAE, such as `armoire train fashion-vae`"


def needs_classes(wardrobe: Wardrobe) -> str:
    """Labelled held-out images."""
    return "" if classes_of(wardrobe) else "its data have no labels; give images in a folder per class"


def needs_editing(wardrobe: Wardrobe) -> str:
    """Two attributes that the attribute classifier predicts well enough."""
    if len(wardrobe.latents.attributes) < 2:
        return "its data have fewer than two attributes; train on data with attributes, such as drawn-faces"
    try:
        found = held_out_editing(wardrobe, wardrobe.progress)
    except ArmoireError as error:
        return str(error)
    measured = list(found["retention"]) if found else []
    if found is None or len(measured) < 2:
        return f"the attribute classifier can predict {len(measured)} attributes, and two are needed; give more images"
    if not any(np.isfinite(leakage_matrix(found, method)[1]).any() for method in found["methods"]):
        return "no edit changed its attribute by one standard deviation; train longer, or give more images"
    return ""


def needs_pair(wardrobe: Wardrobe) -> str:
    """Two held-out images."""
    return "" if len(shown_latents(wardrobe)) > 1 else "it needs two held-out images, and there is one; give more"


def needs_calibration(wardrobe: Wardrobe) -> str:
    """Two validation or held-out images."""
    return "" if wardrobe.calibration else "what is usual cannot be measured; give more images"


def needs_history(wardrobe: Wardrobe) -> str:
    """A finished epoch."""
    try:
        return "" if wardrobe.run.history else "no epoch is finished; resume with `armoire train --resume`"
    except ArmoireError as error:
        return str(error)


def needs_other_loss(wardrobe: Wardrobe) -> str:
    """A run in the same folder that differs in the loss alone."""
    return "" if other_loss_run(wardrobe) else how_to_train_pair(wardrobe)
