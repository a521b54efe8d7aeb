"""The data set of a run, and other images fitted like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.fit import Fit
from armoire.images.imageset import SetInfo, drawn_rows, fingerprint, make_table
from armoire.images.inputs import Images, fit_images
from armoire.images.source import Request
from armoire.images.sources import load, source_path
from armoire.images.sources.fashion_mnist import NAME as FASHION
from armoire.progress import Progress
from armoire.training import Run
from armoire.training.run import WITHOUT

FASHION_CANVAS = 32


def find_images(run: Run, given: ImageSet | None, load: Callable[[str], ImageSet]) -> ImageSet:
    """The data set that a run was trained on: `given`, or what `load` returns for the source named in the run."""
    data = run.data
    if given is not None:
        if given.info.fingerprint != data.fingerprint:
            raise ArmoireError(f"{given.info.name} is not what {run} was trained on; give the same data")
        return given
    if not data.source:
        raise ArmoireError(f"{run} was trained on an array in memory; give it with Wardrobe.open(.., images)")
    path = source_path(data.source)
    # A relative path names data on another machine, not a folder here.
    if path is not None and not (path.is_absolute() and path.exists()):
        raise ArmoireError(
            f"the data of {run} ({data.source}) are not here; give them with --data, which armoire "
            "evaluate, figures and doctor take, or in Python with Wardrobe.open(.., images)"
        )
    found = load(data.source)
    if found.info.fingerprint != data.fingerprint:
        raise ArmoireError(f"{data.source} has changed since {run} was trained on it; train again")
    return found


def load_fitted(
    source: Images, run: Run, shape: tuple[int, int, int], choice: ColumnChoice, progress: Progress
) -> ImageSet:
    """A data set as `Wardrobe.load` takes it, fitted like the training data of a run to the model's `shape`."""
    if isinstance(source, ImageSet):
        return source
    fit = run.data.fit
    if not isinstance(source, str | Path):
        return _single_split(fit_images(source, fit), fit)
    recipe, given = run.recipe, str(source)
    if given == run.data.source and choice == FREE:  # as `train` read it, from the same store
        without = str(run.path / WITHOUT) if (run.path / WITHOUT).exists() else recipe.without
        images = load(
            Request(given, recipe.size, recipe.fit, recipe.background, None, recipe.choice, progress, without)
        )
    else:
        is_fashion = given.partition(":")[0] == FASHION
        if is_fashion and fit.canvas != FASHION_CANVAS:  # before 70,000 images are read
            raise _other_shape(given, run, (FASHION_CANVAS, FASHION_CANVAS, 1), shape)
        size = None if is_fashion else fit.size
        images = load(Request(given, size, fit.how, fit.background_hex, fit.channels, choice, progress))
    if images.shape != shape:
        raise _other_shape(given, run, images.shape, shape)
    if given != run.data.source:
        for remark in images.reading.remarks(len(images)):
            progress.note(f"{images.info.name}: {remark}")
    return images


def limit_training(images: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """The `limit` training images that a training with this seed draws, and all held-out ones; None: all images."""
    n = images.splits.get("train", 0)
    if limit is None or n <= limit:
        return images
    rows = np.r_[drawn_rows(images.labels[:n], limit, seed), n : len(images)]
    return replace(images.take(rows), store=None)


def _single_split(pixels: UInt8[np.ndarray, "n h w c"], fit: Fit) -> ImageSet:
    """Fitted images without ids and labels as a set of one split, test."""
    n = len(pixels)
    if n == 0:
        raise ArmoireError("no images were given to measure; give one or more")
    table = make_table([f"{i:06d}" for i in range(n)], ["test"] * n, [None] * n)
    return ImageSet(pixels, table, SetInfo("array", "", fit, (), fingerprint(pixels, table)))


def _other_shape(source: str, run: Run, found: tuple[int, ...], expected: tuple[int, ...]) -> ArmoireError:
    return ArmoireError(
        f"{source} contains images of {found}, but {run} was trained on {expected} (height, width, channels); "
        "give images of that shape"
    )
