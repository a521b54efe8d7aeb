"""Train autoencoders and VAEs on your own images; explore, edit, measure and share their latent space."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.lazy import lazily

if TYPE_CHECKING:
    from armoire.images import ImageSet, load_images
    from armoire.measure import evaluate
    from armoire.model import Autoencoder
    from armoire.publish import explore
    from armoire.training import Recipe, Run, load_recipe, recipe_names
    from armoire.version import __version__ as __version__
    from armoire.wardrobe import Wardrobe, train
    from armoire.wardrobe.sklearn_transformer import LatentTransformer

__all__ = [
    "ArmoireError",
    "Autoencoder",
    "ImageSet",
    "LatentTransformer",
    "Recipe",
    "Run",
    "TrainingInterruptedError",
    "Wardrobe",
    "evaluate",
    "explore",
    "load_images",
    "load_recipe",
    "recipe_names",
    "train",
]

# No dependency reports to its makers by itself. They read this when they are imported, and every process in which
# armoire imports one has been here before. What the user has set stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else onnxruntime keeps a device id and looks up a collector
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")

# Imported when first used: torch alone takes two seconds.
__getattr__ = lazily(
    __name__,
    {
        "images": ("ImageSet", "load_images"),
        "measure": ("evaluate",),
        "model": ("Autoencoder",),
        "publish": ("explore",),
        "version": ("__version__",),
        "training": ("Recipe", "Run", "load_recipe", "recipe_names"),
        "wardrobe": ("Wardrobe", "train"),
        "wardrobe.sklearn_transformer": ("LatentTransformer",),
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
