"""What a sample of the images decides for the whole data set: the colour of padding, and white of deep grey files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from armoire.images.bit_depth import WHITE, RangeError, RejectedImageError, white_of
from armoire.images.fit import Decode, Fit

SAMPLE = 16  # images, evenly spread over the data set
BLACK, PAPER = (0, 0, 0), (255, 255, 255)
DARK = 16  # values up to which a pixel is black, of 255


def examine(sample: Sequence[Decode], fit: Fit, automatic: bool) -> tuple[Fit, list[str]]:
    """The fit of a data set by a sample of its images, and notes about what was chosen.

    `automatic` chooses the background: black where most images have a black border, else white.
    """
    notes: list[str] = []
    # No margin, and no white: deep images report their largest value instead of being read.
    whole = replace(fit, size=fit.canvas, how="stretch" if fit.how == "pad" else fit.how, background=PAPER, white=0)
    found = [_read(image, whole) for image in sample]
    if deep := [highest for highest in found if isinstance(highest, int)]:
        fit = replace(fit, white=white_of(max(deep)))
        if fit.white != WHITE:
            notes.append(
                f"grey files of more than 8 bits, of values up to {max(deep):,}: {fit.white:,} is read as white"
            )
    if automatic and pads(fit):
        whole = replace(whole, white=fit.white)
        again = (
            _read(image, whole) if isinstance(first, int) else first for image, first in zip(sample, found, strict=True)
        )
        fit = replace(fit, background=background_of([pixels for pixels in again if isinstance(pixels, np.ndarray)]))
        if fit.background == BLACK:
            notes.append("most images have a black border, so padding is black; --background changes it")
    return fit, notes


def pads(fit: Fit) -> bool:
    """Whether a fit adds background to images, in margins or to make them square."""
    return fit.how == "pad" or fit.size != fit.canvas


def background_of(images: Iterable[np.ndarray]) -> tuple[int, int, int]:
    """Black where most of the images have a border that is mostly black, else white."""
    black = [_has_black_border(image) for image in images]
    return BLACK if 2 * sum(black) > len(black) else PAPER


def _has_black_border(image: UInt8[np.ndarray, "h w c"]) -> bool:
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool((border.max(axis=1) <= DARK).mean() > 0.5)


def _read(image: Decode, fit: Fit) -> np.ndarray | int | None:
    """The pixels of an image, the largest value of a deep one beyond white, or None where it cannot be read."""
    try:
        return image(fit)
    except RangeError as error:
        return error.highest
    except (RejectedImageError, OSError):  # reported when all are read
        return None
