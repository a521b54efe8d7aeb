"""Read images from folders, archives, tables and arrays into an ImageSet; `sources` has one file per kind of data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from armoire.checks import as_numpy
from armoire.errors import ArmoireError
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.examine import BLACK, SAMPLE, background_of, pads
from armoire.images.fit import AUTOMATIC, Fit, How, pad_to_square, parse_colour
from armoire.images.imageset import ImageSet, SetInfo, fingerprint, make_table, split_by_content
from armoire.images.inputs import Images, open_image, stack_images
from armoire.images.labels import class_numbers
from armoire.images.values import FEW_LEVELS
from armoire.progress import USUAL, Progress

__all__ = ["ColumnChoice", "Fit", "ImageSet", "Images", "SetInfo", "from_array", "load_images", "open_image"]


def load_images(
    source: str | Path,
    size: int | None = None,
    fit: How = "crop",
    background: str = AUTOMATIC,
    progress: Progress = USUAL,
    channels: int | None = None,
    choice: ColumnChoice = FREE,
    without: str | Path = "",
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
        background: colour under transparent pixels and in padding, a CSS name or #rrggbb; `auto` is black where
            images are padded and most of them have a black border, else white.
        progress: where to report, also how many files could not be read.
        channels: 1 or 3; by default 1 where every image is grey, else 3.
        choice: which columns of its tables to read, where that is not to be guessed.
        without: a survey.csv of `armoire survey`, whose duplicates are left out.

    Raises:
        ArmoireError: the source does not exist or has no readable image, or the survey is of other data.
    """
    from armoire.images.source import Request
    from armoire.images.sources import load

    images = load(Request(str(source), size, fit, background, channels, choice, progress, str(without)))
    for remark in images.reading.remarks(len(images)):
        progress.note(f"{images.info.name}: {remark}")
    return images


def from_array(
    images: Images,
    labels: Any = None,
    classes: Sequence[str] = (),
    name: str = "array",
    *,
    background: str = AUTOMATIC,
) -> ImageSet:
    """An ImageSet over images in memory; 10 % of it, chosen by content, is held out as the test split.

    Args:
        images: uint8 or bool (n, h, h) or (n, h, h, c), c 1 to 4, h from 16 to 256, padded with background to a
            power of two; or a list of images of one size. The last channel of 2 or 4 is alpha.
        labels: one class number or word per image, or one-hot rows; -1, nan, None and "" are unknown.
        classes: class names in the order of the class numbers; by default the labels themselves.
        name: name of the set.
        background: colour under transparent pixels and in padding, as in `load_images`.

    Raises:
        ArmoireError: images or labels are of another form.
    """
    automatic, colour = background == AUTOMATIC, parse_colour(background)
    images = list(images) if isinstance(images, Iterator) else images
    stacked = stack_images(images, colour)
    if stacked.shape[1] != stacked.shape[2] or len(stacked) < 2:
        raise ArmoireError(f"images must be at least 2 and square, not {stacked.shape}")
    if stacked.min() == 0 and 1 < stacked.max() <= FEW_LEVELS:
        warnings.warn(f"the brightest value of the images is {stacked.max()} of 255; are they scaled?", stacklevel=2)
    fit = Fit(stacked.shape[1], background=colour, channels=stacked.shape[3])
    if automatic and pads(fit) and background_of(stacked[:: max(1, len(stacked) // SAMPLE)]) == BLACK:
        return from_array(images, labels, classes, name, background="black")
    pixels = pad_to_square(stacked, fit.canvas, fit.background)
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
