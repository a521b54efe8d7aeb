"""What a run can be used for, each use measured by a small trial of it on the run's own images.

Every number has a 95 % interval over images. The trials take seconds: at most 1,000 images are compared.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from armoire.images.grid import to_pil
from armoire.images.imageset import drawn_rows
from armoire.io.artifacts import JsonFormat
from armoire.measure.intervals import Interval, interval, ratio_interval, share_interval
from armoire.measure.latent_statistics import QUANTILE
from armoire.measure.measure import Measure
from armoire.model.components import PrincipalComponents
from armoire.progress import SILENT, Progress
from armoire.training.batches import Batches
from armoire.training.initial import principal_components
from armoire.training.latent_size import MOST_IMAGES
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.error_maps import squared_errors
from armoire.wardrobe.neighbours import nearest

USES = JsonFormat[dict[str, Any]]("armoire-uses-1")
COMPARED = 1000  # held-out images
CHANGED = 200  # training images that are changed and looked for
MOST_VALUES = 1 << 28  # that principal components are computed from: 1 GiB
QUALITY, SMALLER, MARGIN = 50, 0.75, 0.05  # JPEG quality, side, and what is cropped from each side


def held_out_uses(wardrobe: Wardrobe, progress: Progress = SILENT) -> dict[str, Any]:
    """`measure_uses` of a run, cached in RUN/uses.json."""
    return wardrobe.run.artifacts.get("uses.json", USES, lambda: measure_uses(wardrobe, progress), progress=progress)


def measure_uses(wardrobe: Wardrobe, progress: Progress = SILENT) -> dict[str, Any]:
    """Try the uses of a run on its own images.

    Returns:
        n: held-out images compared; mse: squared error per pixel value of their reconstructions; components,
        dimensions: that of as many principal components of the training images, and how many; mse_ratio: the first
        relative to the second. unlike: squared difference between an image and its nearest neighbour in the latent
        space, relative to that of two random images; same_class, by_chance: share of nearest neighbours of the image's
        own class, or None. recompressed, cropped: share of training images, changed so, whose nearest training image
        is the original. beyond_cross_fade: squared difference between the decoded midpoint of two latents and the
        average of both decoded images, relative to a quarter of the squared difference of these; in_data: share of
        midpoints that are as near to a training latent as 99 % of held-out ones.
    """
    train, unseen = (wardrobe.images_used.split(name) for name in ("train", wardrobe.held_out))
    rows = drawn_rows(unseen.labels, COMPARED, 0)
    pixels, labels = unseen.images[rows], unseen.labels[rows]
    z_train, z = (wardrobe.latents.split(name).mean for name in ("train", wardrobe.held_out))
    z = z[rows]
    with progress.task("trying what the run is good for", 4, "trials") as task:
        errors = squared_errors(wardrobe.model, pixels)
        others, d = _component_errors(train.images, pixels, wardrobe.recipe.dimensions, wardrobe.recipe.seed)
        found: dict[str, Any] = {
            "n": len(pixels),
            "mse": interval(errors),
            "components": interval(others),
            "dimensions": d,
            "mse_ratio": ratio_interval(errors, others),
        }
        task.advance()
        near = nearest(z_train, z, 1)
        found |= _neighbours(pixels, train.images, near.rows[:, 0], labels, train.labels)
        task.advance()
        found |= _found_again(wardrobe, train.images, z_train)
        task.advance()
        found |= _midpoints(wardrobe, z, z_train, float(np.quantile(near.distances, QUANTILE)))
        task.advance()
    return found


def _component_errors(
    train: UInt8[np.ndarray, "n h w c"], unseen: UInt8[np.ndarray, "m h w c"], d: int, seed: int
) -> tuple[Float[np.ndarray, " m"], int]:
    """The squared error per pixel value of each image by principal components, and their number: d, or n - 1."""
    most = min(len(train), MOST_IMAGES, max(MOST_VALUES // unseen[0].size, 2 * d))
    rows = np.random.default_rng(seed).permutation(len(train))[:most]
    found = principal_components(Batches(train, torch.device("cpu")), rows, unseen.shape[1], d, seed)
    return _errors(found, unseen), len(found.directions)


def _errors(components: PrincipalComponents, pixels: UInt8[np.ndarray, "m h w c"]) -> Float[np.ndarray, " m"]:
    x = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1).astype(np.float32) / 255 - components.mean.numpy()
    along = x @ components.directions.numpy().T
    return np.maximum(np.square(x).sum(axis=1) - np.square(along).sum(axis=1), 0) / x.shape[1]


def _neighbours(
    pixels: UInt8[np.ndarray, "n h w c"],
    train: UInt8[np.ndarray, "t h w c"],
    rows: Int[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    of_train: Int[np.ndarray, " t"],
) -> dict[str, Any]:
    """How alike images and their nearest training images are."""
    others = np.random.default_rng(0).integers(0, len(train), len(pixels))
    unlike = ratio_interval(_difference(pixels, train, rows), _difference(pixels, train, others))
    known = (labels >= 0) & (of_train[rows] >= 0)
    if not known.any():
        return {"unlike": unlike, "same_class": None, "by_chance": None}
    classes = max(labels.max(), of_train.max()) + 1
    counts = [np.bincount(some[some >= 0], minlength=classes) for some in (labels, of_train)]
    chance = float(np.prod([count / count.sum() for count in counts], axis=0).sum())
    return {"unlike": unlike, "same_class": share_interval((labels == of_train[rows])[known]), "by_chance": chance}


def _difference(a: np.ndarray, b: np.ndarray, rows: np.ndarray) -> Float[np.ndarray, " n"]:
    """Mean squared difference of each image of a and the one of b at its row."""
    return np.array([np.square(x / 255.0 - b[row] / 255.0).mean() for x, row in zip(a, rows.tolist(), strict=True)])


def _found_again(wardrobe: Wardrobe, train: np.ndarray, z: Float[np.ndarray, "t d"]) -> dict[str, Interval]:
    """The share of changed training images whose nearest training image is the original, or equal to it."""
    rows = np.sort(np.random.default_rng(1).permutation(len(train))[:CHANGED])
    found = {}
    for name, change in (("recompressed", _recompressed), ("cropped", _cropped)):
        changed = wardrobe.encode(np.stack([change(train[row]) for row in rows.tolist()]))
        first = nearest(z, changed, 1)
        original = np.linalg.norm(changed.astype(np.float64) - z[rows], axis=1)
        # Equal images have equal latents, and any of them is right.
        found[name] = share_interval((first.rows[:, 0] == rows) | (original <= first.distances[:, 0] * (1 + 1e-5)))
    return found


def _recompressed(pixels: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    image = to_pil(pixels)
    smaller, file = image.resize([max(1, round(SMALLER * side)) for side in image.size]), BytesIO()
    smaller.save(file, "JPEG", quality=QUALITY)
    return _pixels(Image.open(file).resize(image.size), pixels.shape)


def _cropped(pixels: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    image = to_pil(pixels)
    low, high = MARGIN * image.width, (1 - MARGIN) * image.width
    return _pixels(image.resize(image.size, box=(low, low, high, high)), pixels.shape)


def _pixels(image: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(image).reshape(shape)


def _midpoints(
    wardrobe: Wardrobe, z: Float[np.ndarray, "n d"], train: Float[np.ndarray, "t d"], usual: float
) -> dict[str, Any]:
    """How the middle of a morph differs from a cross-fade, and how many are within `usual` of a training latent."""
    order = np.random.default_rng(2).permutation(len(z))[: 2 * CHANGED]
    a, b = z[order[::2]][: len(order) // 2], z[order[1::2]]
    if not len(b):
        return {"beyond_cross_fade": None, "in_data": None}
    middle = (a + b) / 2
    first, made, last = (wardrobe.decode(some) / 255.0 for some in (a, middle, b))
    axes = (1, 2, 3)
    beyond = np.square(made - (first + last) / 2).mean(axis=axes), np.square(first - last).mean(axis=axes) / 4
    near = nearest(train, middle, 1).distances[:, 0] <= usual
    return {"beyond_cross_fade": ratio_interval(*beyond), "in_data": share_interval(near)}


MEASURE = Measure(
    lambda context: held_out_uses(context.wardrobe, context.progress),
    lambda context: context.is_held_out and "train" in context.images.splits,
)
