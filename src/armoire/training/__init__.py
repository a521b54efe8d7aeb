"""Recipes, their training, and the run that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armoire.lazy import lazily
from armoire.training.recipe import Recipe, load_recipe, recipe_names

if TYPE_CHECKING:
    from armoire.training.run import Run
    from armoire.training.step import StepDone
    from armoire.training.trainer import fit_epochs

__all__ = ["Recipe", "Run", "StepDone", "fit_epochs", "load_recipe", "recipe_names"]

# Imported on first use: they import torch, which a list of recipes does not need.
__getattr__ = lazily(__name__, {"run": ("Run",), "step": ("StepDone",), "trainer": ("fit_epochs",)})
