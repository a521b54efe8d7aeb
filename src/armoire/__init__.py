"""armoire: give it images, and it gives you a wardrobe, a latent space that people can use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError, TrainingInterruptedError

if TYPE_CHECKING:
    from armoire.images import ImageSet, load_images
    from armoire.measure import evaluate
    from armoire.model import Autoencoder
    from armoire.training import Recipe, Run, load_recipe, recipe_names
    from armoire.wardrobe import Wardrobe, train

__all__ = [
    "ArmoireError",
    "Autoencoder",
    "ImageSet",
    "Recipe",
    "Run",
    "TrainingInterruptedError",
    "Wardrobe",
    "evaluate",
    "load_images",
    "load_recipe",
    "recipe_names",
    "train",
]

# Imported when first used: torch alone takes two seconds.
_ROOMS = {
    "Autoencoder": "model",
    "ImageSet": "images",
    "Recipe": "training",
    "Run": "training",
    "Wardrobe": "wardrobe",
    "evaluate": "measure",
    "load_images": "images",
    "load_recipe": "training",
    "recipe_names": "training",
    "train": "wardrobe",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(importlib.import_module(f"armoire.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'armoire' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
