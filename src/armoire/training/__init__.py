"""Recipes, the loop that trains them, and the run that it leaves behind."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from armoire.training.recipe import Recipe, load_recipe, recipe_names

if TYPE_CHECKING:
    from armoire.training.loop import train
    from armoire.training.run import Run

__all__ = ["Recipe", "Run", "load_recipe", "recipe_names", "train"]


def __getattr__(name: str) -> Any:
    # Imported when first used: they bring torch, which a list of recipes does not need.
    if name in ("Run", "train"):
        return getattr(importlib.import_module(f"armoire.training.{'run' if name == 'Run' else 'loop'}"), name)
    raise AttributeError(f"module 'armoire.training' has no attribute '{name}'")
