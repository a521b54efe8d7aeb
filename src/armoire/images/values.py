"""Which values of an array are black and white: bytes, other integers, floats and booleans.

    bool                    black and white
    integers 0 to 255       as they are
    integers 0 to 32        white is the largest value: masks, and images of few levels
    integers above 255      white is the largest value of 10, 12, 14 or 16 bits
    floats 0 to 1           white is 1; a rounding error beyond is clipped
    floats -1 to 1          black is -1
    floats 0 to 255         as integers

The range is that of all images together. Whatever is not the usual 0 to 255 or 0 to 1 is stated in a note; anything
else is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.mapped import release

BLOCK = 1000  # images whose range is computed at once
FEW_LEVELS = 32  # a data set of bytes that ends below has another white than 255
ROUNDING = 0.002  # half a level of 255, the most that clipping may change without a note
OVERSHOOT = 0.1  # of sharp resampling filters, beyond 0 and 1
LEAST_WHITE = 0.02  # brightest value of floats from 0 to 1, below which all images would be black
GIVE = "give integers 0 to 255 or floats 0 to 1"


@dataclass(frozen=True)
class Scale:
    """The values of black and white, and a note where they were guessed."""

    black: float = 0
    white: float = 255
    note: str = ""

    def to_bytes(self, values: np.ndarray) -> np.ndarray:
        """Values as 0 to 255, clipped."""
        if values.dtype == np.uint8 and (self.black, self.white) == (0, 255):
            return values
        levels = (values.astype(np.float64) - self.black) * (255 / (self.white - self.black))
        return np.rint(levels.clip(0, 255)).astype(np.uint8)


USUAL_SCALE = Scale()


@dataclass(frozen=True)
class _Range:
    low: float
    high: float
    whole: bool

    def __str__(self) -> str:
        low, high = (f"{value:,.0f}" if value == round(value) else f"{value:.9g}" for value in (self.low, self.high))
        return f"from {low} to {high}"


def scale_of(arrays: Sequence[np.ndarray], name: str) -> Scale:
    """The scale of arrays of integers, floats or booleans that belong together; ArmoireError for an unusual range.

    `name` is theirs in a note or an error.
    """
    kinds = {array.dtype.kind for array in arrays}
    if kinds == {"b"}:
        return Scale(0, 1)
    if not kinds <= set("iuf"):
        raise ArmoireError(f"{name} is of type {arrays[0].dtype}, which holds no images; {GIVE}")
    found, what = _range_of(arrays), f"{name} holds {arrays[0].dtype} "
    if not np.isfinite(found.high - found.low):
        raise ArmoireError(f"{what}with values that are not finite (nan or inf); {GIVE}")
    if kinds <= set("iu") or (found.whole and found.low >= 0 and found.high > 1):
        scale = _of_integers(found, what)
        return scale if scale.note or kinds <= set("iu") else replace(scale, note=_white_note(found, what, 255))
    return _of_floats(found, what)


def _range_of(arrays: Sequence[np.ndarray]) -> _Range:
    low, high, whole = np.inf, -np.inf, True
    for array in arrays:
        for start in range(0, len(array), BLOCK):
            block = array[start : start + BLOCK]
            low, high = np.minimum(low, block.min()), np.maximum(high, block.max())
            whole = whole and (array.dtype.kind != "f" or bool((block == np.rint(block)).all()))
            release(block)
            if array.dtype == np.uint8 and high > FEW_LEVELS:  # no value can be out of range
                break
    return _Range(float(low), float(high), whole)


def _of_integers(found: _Range, what: str) -> Scale:
    low, high = found.low, found.high
    if low < 0:
        raise ArmoireError(f"{what}{found}, and a value below 0 is darker than black; {GIVE}")
    if high == 1:
        return Scale(0, 1, f"{what}0 and 1 alone, read as black and white")
    if 1 < high <= FEW_LEVELS:
        return Scale(0, high, _white_note(found, what, high))
    if high <= 255:
        return USUAL_SCALE
    bits = int(high).bit_length()
    white = 2 ** (bits + bits % 2) - 1 if bits <= 16 else high
    return Scale(0, white, _white_note(found, what, white))


def _white_note(found: _Range, what: str, white: float) -> str:
    return f"{what}{found}: {white:,.0f} is read as white; give floats 0 to 1 if it is not"


def _of_floats(found: _Range, what: str) -> Scale:
    low, high = found.low, found.high
    if low >= -ROUNDING and high <= 1 + ROUNDING and not 0 < high < LEAST_WHITE:
        return Scale(0, 1)
    if low >= -OVERSHOOT and LEAST_WHITE <= high <= 1 + OVERSHOOT:
        return Scale(0, 1, f"{what}{found}: values below 0 and above 1 are clipped")
    if -1 - ROUNDING <= low <= OVERSHOOT - 1 and 1 - OVERSHOOT <= high <= 1 + ROUNDING:
        return Scale(-1, 1, f"{what}{found}: -1 is read as black and 1 as white; give floats 0 to 1 if they are not")
    if low >= -0.5 and FEW_LEVELS < high < 255.5:
        return Scale(0, 255, _white_note(found, what, 255))
    raise ArmoireError(f"{what}{found}, whose black and white are unknown; {GIVE}")
