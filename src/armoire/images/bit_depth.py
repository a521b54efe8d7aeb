"""Grey pixels of more than 8 bits as 8 bits.

Files of 16 bits often use 8, 12 or 14 of them, and few state it: white is a value of the whole data set, never of one
image, so that images stay comparable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

WHITE = 65_535  # of 16 bits
WHITES = (255, 4_095, 16_383, WHITE)  # 8, 12, 14 and 16 bits, the depths of cameras and scanners
STRIP = 512  # rows
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # tag of TIFF and one of its values
BITS = 258  # tag of TIFF
SAMPLE_FORMAT, SIGNED = 339, 2


class RejectedImageError(Exception):
    """An image that cannot be used; str() is the reason, without the image's name."""


class RangeError(RejectedImageError):
    """A grey image whose values do not fit those of black and white; `highest` is its largest value."""

    def __init__(self, reason: str, highest: int) -> None:
        super().__init__(reason)
        self.highest = highest


def is_deep(image: Image.Image) -> bool:
    """Whether an image is grey of 16 or 32 bits per pixel."""
    return image.mode.startswith("I")


def white_of(highest: int) -> int:
    """The value of white of a data set whose grey images of 16 bits go up to `highest`."""
    return next((white for white in WHITES if highest <= white), WHITE)


def check_range(image: Image.Image, white: int) -> int:
    """The value of white of a deep image: `white`, or what its file states; RangeError where its values do not fit."""
    if _tag(image, BITS) == (12,):
        return WHITES[1]
    lows, highs = zip(*((int(strip.min()), int(strip.max())) for strip in _strips(image)), strict=True)
    low, high = min(lows), max(highs)
    if low < 0 or high > white or (white == WHITE and 0 < high <= WHITES[0]):
        raise RangeError(f"grey values from {low:,} to {high:,}, where black is 0 and white is {white:,}", high)
    return white


def eight_bits(image: Image.Image, white: int) -> Image.Image:
    """A deep image, or a part of one, whose range is checked, in mode L."""
    values = np.asarray(image)
    # The upper byte of 16 bits, as decoders of colour images take it.
    scaled = values >> 8 if white == WHITE else np.rint(values * np.float32(255 / white))
    return Image.fromarray(scaled.astype(np.uint8))


def white_is_zero(image: Image.Image) -> bool:
    """Whether a deep TIFF counts from white to black, which Pillow does not heed in 16 bits."""
    return _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO


def check_sign(image: Image.Image) -> None:
    """Raise RejectedImageError for a TIFF of signed bytes, whose values below 0 Pillow reads as bright ones."""
    if SIGNED in (_tag(image, SAMPLE_FORMAT) or ()):
        raise RejectedImageError("signed 8-bit values, -128 to 127, whose black and white are unknown")


def check_used_bits(image: Image.Image) -> None:
    """Raise RejectedImageError where a file of 16 bits per channel uses 12 of them at most, and would become black."""
    highest = max(int(np.asarray(image.getchannel(band)).max()) for band in image.getbands() if band != "A")
    if highest < 16:
        raise RejectedImageError(
            f"16 bits per channel with values below {(highest + 1) * 256:,}, nearly black; scale them to 65,535"
        )


def _strips(image: Image.Image) -> Iterator[np.ndarray]:
    # A large image is never copied as a whole.
    for top in range(0, image.height, STRIP):
        yield np.asarray(image.crop((0, top, image.width, min(top + STRIP, image.height))))


def _tag(image: Image.Image, number: int) -> Any:
    """A tag of a TIFF, None for other formats."""
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(number)
