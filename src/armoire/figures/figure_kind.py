"""A figure as the catalogue knows it: what it shows, of which runs, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from armoire.errors import ArmoireError
from armoire.figures.figure_data import classes_of, shown
from armoire.figures.loss_choice import sibling, to_train
from armoire.figures.style import style
from armoire.measure.editing import held_out_editing, leakage_matrix
from armoire.wardrobe import Wardrobe

Obstacle = Callable[[Wardrobe], str]


@dataclass(frozen=True)
class FigureKind:
    """One figure of a run.

    Attributes:
        name: of its file, without .png.
        description: what it shows, in one line.
        obstacles: each says in half a sentence why it cannot be drawn for a run and what to do, "" where it can.
        wanted: whether it is drawn for a run where no figure is asked for by name.
    """

    name: str
    description: str
    make: Callable[[Wardrobe], Figure]
    obstacles: tuple[Obstacle, ...] = ()
    wanted: Callable[[Wardrobe], bool] = lambda wardrobe: True

    def obstacle(self, wardrobe: Wardrobe) -> str:
        """Why it cannot be drawn for a run, "" where it can."""
        return next((reason for check in self.obstacles if (reason := check(wardrobe))), "")

    def applies(self, wardrobe: Wardrobe) -> bool:
        """Whether it belongs to a run: it can be drawn, and says something there."""
        return self.wanted(wardrobe) and not self.obstacle(wardrobe)

    def draw(self, wardrobe: Wardrobe) -> Figure:
        """Draw it.

        Raises:
            ArmoireError: it cannot be drawn for this run.
        """
        if reason := self.obstacle(wardrobe):
            raise ArmoireError(f"cannot draw '{self.name}' for {wardrobe.run.path}: {reason}")
        with style():
            return self.make(wardrobe)


def needs_plane(wardrobe: Wardrobe) -> str:
    """Two latent dimensions."""
    d = wardrobe.recipe.latent
    return "" if d == 2 else f"it shows a plane, and this run has d = {d}; train one with --latent 2"


def needs_prior(wardrobe: Wardrobe) -> str:
    """A VAE."""
    if wardrobe.model.posterior.is_stochastic:
        return ""
    return "an autoencoder's places were held to no N(0, I); train a VAE, such as `armoire train fashion-vae`"


def needs_classes(wardrobe: Wardrobe) -> str:
    """Labels on what is held out."""
    return "" if classes_of(wardrobe) else "its data have no labels; give images in one folder a class"


def needs_editing(wardrobe: Wardrobe) -> str:
    """Edits of two attributes that a judge can tell."""
    if len(wardrobe.latents.attributes) < 2:
        return "fewer than two attributes are known of its data; train on data that brings some, such as drawn-faces"
    try:
        found = held_out_editing(wardrobe, wardrobe.progress)
    except ArmoireError as error:
        return str(error)
    able = list(found["retention"]) if found else []
    if found is None or len(able) < 2:
        return f"of its attributes a judge can tell {len(able)}, and it takes two; give more images"
    if not any(np.isfinite(leakage_matrix(found, method)[1]).any() for method in found["methods"]):
        return "no edit moved its attribute by one spread; train longer, or give more images"
    return ""


def needs_pair(wardrobe: Wardrobe) -> str:
    """Two held-out images."""
    return "" if len(shown(wardrobe)) > 1 else "it goes from one held-out image to another, and there is one; give more"


def needs_history(wardrobe: Wardrobe) -> str:
    """A finished epoch."""
    try:
        return "" if wardrobe.run.history else "no epoch was finished; go on with `armoire train --resume`"
    except ArmoireError as error:
        return str(error)


def needs_sibling(wardrobe: Wardrobe) -> str:
    """A run beside it that differs in the loss alone."""
    return "" if sibling(wardrobe) else to_train(wardrobe)
