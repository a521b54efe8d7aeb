"""Recipes, the loop that trains them, and the run that it leaves behind."""

from armoire.training.loop import train
from armoire.training.recipe import Recipe, load_recipe, recipe_names
from armoire.training.run import Run

__all__ = ["Recipe", "Run", "load_recipe", "recipe_names", "train"]
