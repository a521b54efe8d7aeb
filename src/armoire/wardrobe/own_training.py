"""A run of a model that was trained by another training loop, and copies of runs."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.images.fit import parse_colour
from armoire.images.sources.fashion_mnist import NAME as FASHION
from armoire.io.files import atomic_folder, write_text
from armoire.model import Autoencoder
from armoire.progress import Progress
from armoire.training import Recipe, Run
from armoire.training.averages import average_over
from armoire.training.batches import Batches
from armoire.training.checkpointing import check_out, lock_folder
from armoire.training.history import measured


def write_run(path: Path, model: Autoencoder, images: ImageSet, recipe: Recipe, *, steps: int = 1) -> Run:
    """Write recipe, weights and a history of one row, the model's averages over training and held-out images.

    The model's architecture replaces the recipe's, whose other settings (beta, noise, seed, prior) stay.
    """
    a = model.architecture
    described = {field.name: getattr(a, field.name) for field in fields(a) if field.name in Recipe.model_fields}
    described |= data_settings(recipe, images) | {"size": a.size}
    described |= {"epochs": 1, "steps": None, "minutes": None, "validation": 0}  # it is not known to have set any apart
    recipe = Recipe.model_validate(recipe.model_dump() | described)
    row: dict[str, float] = {"epoch": 1, "step": steps}
    for split in dict.fromkeys(("train", images.held_out)):
        part = Batches(images.split(split).images, model.device)
        row |= measured(recipe, split, average_over(model, part, recipe))
    run = Run(path)
    with lock_folder(path):
        check_out(path, resume=False)
        write_text(path / "recipe.toml", recipe.to_toml(comments=True))
        run.write_history([row])
        run.write_model(model, recipe, images, steps, 1, [row])
    return run


def copy_run(run: Run, target: Path, progress: Progress) -> Run:
    """Copy a run to a new or empty folder and open the copy."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ArmoireError(f"{target} exists and is not an empty folder; choose another")
    with atomic_folder(target) as folder:
        shutil.copytree(run.path, folder, dirs_exist_ok=True)
    return Run.open(target, progress)


def data_settings(recipe: Recipe, images: ImageSet) -> dict[str, Any]:
    """The settings of the training data, so that the recipe.toml of a run alone repeats the training."""
    info = images.info
    data = {"data": info.source, "without": info.without}
    if not info.source or info.source == FASHION:
        return data
    same = parse_colour(recipe.background) == info.fit.background
    colour = recipe.background if same else info.fit.background_hex
    return data | {"size": info.fit.size, "fit": info.fit.how, "background": colour}
