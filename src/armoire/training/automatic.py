"""The settings that a recipe leaves to the data with `auto`."""

from __future__ import annotations

from pathlib import Path

from armoire.images import ImageSet
from armoire.progress import Progress
from armoire.training.augmentation import choose_flip, choose_shift
from armoire.training.latent_size import choose_latent
from armoire.training.recipe import Recipe, read_recipe

AUTOMATIC = ("latent", "flip", "shift")


def left_to_data(recipe: Recipe) -> list[str]:
    """The settings that are `auto`."""
    return [key for key in AUTOMATIC if getattr(recipe, key) == "auto"]


def with_choices(recipe: Recipe, images: ImageSet, before: Path | None, progress: Progress) -> Recipe:
    """The recipe with its settings of `auto` decided, each with a note that says why.

    `before` is the recipe of a resumed run, whose decisions stay. The images that are measured on have no part in them.
    """
    left = left_to_data(recipe)
    if before and before.is_file():
        decided = read_recipe(before)
        return recipe.change(**{key: getattr(decided, key) for key in left})
    if "latent" in left:
        latent, reason = choose_latent(images, recipe.seed)
        recipe = recipe.change(latent=latent)
        recipe.architecture(images)  # an error before the note
        progress.note(reason)
    for key, choose in (("flip", choose_flip), ("shift", choose_shift)):
        if key in left:
            value, reason = choose(images, recipe.seed)
            recipe = recipe.change(**{key: value})
            progress.note(reason)
    return recipe
