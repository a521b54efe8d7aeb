"""Read images from folders, archives, tables and arrays into an ImageSet; `sources` has one file per kind of data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from armoire.checks import as_numpy
from armoire.errors import ArmoireError
from armoire.images.fit import Fit, How
from armoire.images.imageset import ImageSet, SetInfo, fingerprint, make_table, split_by_content
from armoire.images.inputs import Images, open_image, stack_images
from armoire.images.labels import class_numbers
from armoire.images.values import FEW_LEVELS
from armoire.progress import USUAL, Progress

__all__ = ["Fit", "ImageSet", "Images", "SetInfo", "from_array", "load_images", "open_image"]

BLACK = (0, 0, 0)


def load_images(
    source: str | Path,
    size: int | None = None,
    fit: How = "crop",
    background: str = "white",
    progress: Progress = USUAL,
    channels: int | None = None,
) -> ImageSet:
    """Load a data set, packing it into the cache the first time.

    Args:
        source: `fashion-mnist`, `fashion-mnist:FOLDER`, `celeba:PATH`, `drawn-faces` (5,000 of them;
            `drawn-faces:N` for N), or the path of a folder or zip of images, with or without tables next to them; of
            Parquet or Arrow files; of WebDataset tars; or of a .npy or .npz file. `hf:OWNER/NAME` is a data set
            of the Hugging Face Hub (`hf:OWNER/NAME:CONFIG` where it has several), downloaded once per commit.
        size: side that images are fitted to, 16 to 256 pixels (default 64), then padded with background to a
            power of two.
        fit: how images that are not square are fitted: `crop`, `pad` or `stretch`. CelebA is always stretched.
        background: colour under transparent pixels and in padding, a CSS name or #rrggbb.
        progress: where to report, also how many files could not be read.
        channels: 1 or 3; by default 1 where every image is grey, else 3.

    Raises:
        ArmoireError: the source does not exist or has no readable image.
    """
    from armoire.images.sources import load
    from armoire.images.sources.source import Request

    images = load(Request(str(source), size, fit, background, channels, progress))
    if images.rejections:
        progress.note(images.rejections)
    return images


def from_array(images: Images, labels: Any = None, classes: Sequence[str] = (), name: str = "array") -> ImageSet:
    """An ImageSet over images in memory; 10 % of it, chosen by content, is held out as the test split.

    Args:
        images: uint8 or bool (n, h, h) or (n, h, h, c), c 1 to 4, h from 16 to 256, padded with black to a power of
            two; or a list of images of one size. Alpha, the last channel of 2 or 4, is composited on black.
        labels: one class number or word per image, or one-hot rows; -1, nan, None and "" are unknown.
        classes: class names in the order of the class numbers; by default the labels themselves.
        name: name of the set.

    Raises:
        ArmoireError: images or labels are of another form.
    """
    stacked = stack_images(images, BLACK)
    if stacked.shape[1] != stacked.shape[2] or len(stacked) < 2:
        raise ArmoireError(f"images must be at least 2 and square, not {stacked.shape}")
    if stacked.min() == 0 and 1 < stacked.max() <= FEW_LEVELS:
        warnings.warn(f"the brightest value of the images is {stacked.max()} of 255; are they scaled?", stacklevel=2)
    fit = Fit(stacked.shape[1], background=BLACK, channels=stacked.shape[3])
    pixels = pad_to_square(stacked, fit.canvas)
    numbers, names = _labels(labels, len(pixels), tuple(classes))
    splits = [split_by_content(image.tobytes()) for image in pixels]
    if len(set(splits)) < 2:
        splits = ["train"] * (len(splits) - 1) + ["test"]
    order = np.argsort([split == "test" for split in splits], kind="stable")
    table = make_table([f"{i:06d}" for i in order], [splits[i] for i in order], [numbers[i] for i in order])
    pixels = pixels[order]
    return ImageSet(pixels, table, SetInfo(name, "", fit, names, fingerprint(pixels, table)))


def _labels(labels: Any, n: int, classes: tuple[str, ...]) -> tuple[list[int | None], tuple[str, ...]]:
    """Class numbers and names; what was guessed is a warning."""
    if labels is None:
        return [None] * n, classes
    numbers, names, note = class_numbers(as_numpy(labels), n, classes)
    if note:
        warnings.warn(note, stacklevel=3)
    return numbers, tuple(names)


def pad_to_square(images: UInt8[np.ndarray, "n h w c"], side: int) -> UInt8[np.ndarray, "n side side c"]:
    """Images centred in black squares of `side` pixels; an odd margin is larger at the end."""
    margins = [((side - length) // 2, (side - length + 1) // 2) for length in images.shape[1:3]]
    return np.pad(images, ((0, 0), *margins, (0, 0)))
