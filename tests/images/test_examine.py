"""What a sample of images decides: the padding's colour, and white of files of more than 8 bits."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from data_sets import saved
from PIL import Image

from armoire.images import Fit, from_array
from armoire.images.examine import BLACK, PAPER, examine
from armoire.images.fit import read_fitted


def files(*pictures: np.ndarray) -> list:
    return [partial(read_fitted, lambda pixels=pixels: saved(Image.fromarray(pixels))) for pixels in pictures]


def framed(border: int, inner: int = 128, dtype: type = np.uint8) -> np.ndarray:
    pixels = np.full((28, 28), border, dtype)
    pixels[4:24, 4:24] = inner
    return pixels


RGBA = np.zeros((28, 28, 4), np.uint8)


@pytest.mark.parametrize(
    ("pictures", "background"),
    [
        ([framed(0), framed(5), framed(255)], BLACK),
        ([framed(0), framed(255)], PAPER),
        ([framed(255)], PAPER),
        ([framed(100)], PAPER),
        ([RGBA], PAPER),
        ([framed(0, 3000, np.uint16)], BLACK),
        ([], PAPER),
    ],
    ids=["most are black", "half", "white", "grey", "transparent", "12 bits", "none"],
)
def test_padding_is_black_where_most_borders_are(pictures, background):
    assert examine(files(*pictures), Fit(28), automatic=True)[0].background == background
    assert examine(files(*pictures), Fit(28, "pad"), automatic=True)[0].background == background
    stated = Fit(28, background=(1, 2, 3))
    assert examine(files(*pictures), stated, automatic=False)[0].background == (1, 2, 3)
    if len(pictures) == 1 and pictures[0].dtype == np.uint8:
        assert from_array(np.stack(pictures * 2)).info.fit.background == background


def test_without_padding_the_background_is_white():
    assert examine(files(framed(0)), Fit(32), automatic=True) == (Fit(32), [])


@pytest.mark.parametrize(
    ("highest", "white"), [([4000, 300], 4095), ([200, 3], 255), ([50_000, 300], 65_535), ([300, 16_000], 16_383)]
)
def test_white_is_that_of_the_largest_value(highest, white):
    pictures = [framed(0, value, np.uint16) for value in highest]
    fit, notes = examine(files(*pictures), Fit(32), automatic=True)
    assert fit.white == white
    assert bool(notes) == (white != 65_535)
    assert files(pictures[0])[0](fit).max() == pytest.approx(highest[0] * 255 / white, abs=1)


@pytest.mark.parametrize(("background", "corner"), [("auto", 0), ("red", 255)])
def test_arrays_are_padded_with_background(background, corner):
    images = from_array(np.stack([np.stack([framed(0)] * 3, axis=-1)] * 3), background=background)
    assert images.images[0, 0, 0, 0] == corner
    assert images.images[0, 2, 2, 0] == 0
