"""Which values of an array are black and white, and which axes are rows, columns and channels."""

from __future__ import annotations

import numpy as np
import pytest

from armoire.errors import ArmoireError
from armoire.images.array_layout import as_images
from armoire.images.values import scale_of

PICTURES = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
SMOOTH = np.sort(PICTURES, axis=1)
PICTURES[0, 0, 0], PICTURES[0, 0, 1] = 0, 255
UNIT = PICTURES / 255
BLACK_AND_WHITE = np.where(PICTURES > 127, 255, 0).astype(np.uint8)


def levels(array: np.ndarray) -> tuple[np.ndarray, str]:
    scale = scale_of([array], "images")
    return scale.to_bytes(array), scale.note


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int64, np.float32, ">i4"])
def test_zeros_and_ones_are_black_and_white(kind):
    found, note = levels((BLACK_AND_WHITE // 255).astype(kind))
    assert np.array_equal(found, BLACK_AND_WHITE)
    assert ("0 and 1 alone" in note) == (kind is not np.float32)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (PICTURES > 127, BLACK_AND_WHITE),
        *((PICTURES.astype(kind), PICTURES) for kind in (np.int16, np.int32, np.uint64, ">u2")),
        (UNIT, PICTURES),
        (UNIT.astype(np.float16), PICTURES),
        (np.where(UNIT == 1, 1.0000001, UNIT - 1e-9), PICTURES),
    ],
    ids=["bool", "int16", "int32", "uint64", ">u2", "floats", "half floats", "rounding"],
)
def test_usual_values_need_no_note(array, expected):
    found, note = levels(array)
    assert np.abs(found.astype(int) - expected).max() <= (array.dtype == np.float16)
    assert not note


@pytest.mark.parametrize(
    ("array", "note"),
    [
        (PICTURES.astype(np.uint16) * 16, "from 0 to 4,080: 4,095 is read as white"),
        (PICTURES.astype(np.int32) * 257, "from 0 to 65,535: 65,535 is read as white"),
        (PICTURES.astype(np.int64) * 1000, "from 0 to 255,000: 255,000 is read as white"),
        (PICTURES * 0.999, "255 is read as white"),
        (PICTURES.astype(np.float32), "255 is read as white"),
        (UNIT * 2 - 1, "-1 is read as black"),
        (UNIT * 1.06 - 0.03, "below 0 and above 1 are clipped"),
    ],
)
def test_unusual_values_are_scaled_with_a_note(array, note):
    found, said = levels(array)
    assert note in said
    assert np.abs(found.astype(int) - PICTURES).max() <= 8


def test_few_levels_end_in_white():
    digits = PICTURES // 16
    found, note = levels(digits)
    assert found.max() == 255
    assert "from 0 to 15: 15 is read as white" in note


@pytest.mark.parametrize(
    "array",
    [
        (PICTURES.astype(np.int16) - 128),
        np.where(PICTURES > 127, 1, -1),
        UNIT * 2,
        UNIT - 0.5,
        UNIT / 255,
        np.where(UNIT == 1, np.nan, UNIT),
        np.where(UNIT == 1, np.inf, UNIT),
        UNIT * 1j,
    ],
    ids=["signed", "signs", "to 2", "centred", "scaled twice", "nan", "inf", "complex"],
)
def test_values_of_no_usual_meaning_are_refused(array):
    with pytest.raises(ArmoireError, match=r"^images (holds|is of type) .*; give integers 0 to 255 or floats 0 to 1"):
        scale_of([array], "images")


@pytest.mark.parametrize(
    ("array", "note"),
    [
        (SMOOTH, ""),
        (SMOOTH.transpose(0, 3, 1, 2), ""),
        (SMOOTH.reshape(20, -1), "16 x 16 colours, pixel by pixel"),
        (SMOOTH.transpose(0, 3, 1, 2).reshape(20, -1), "16 x 16 colours, channel by channel"),
    ],
)
def test_layouts(array, note):
    images, said = as_images(array, "x")
    assert np.array_equal(images, SMOOTH)
    assert note in said


def test_grey_images_along_the_last_axis_are_asked_about():
    """(h, w, n) cannot be told from n = h images of w x n; an array with n first needs no note."""
    images, note = as_images(np.zeros((28, 28, 50), np.uint8), "x")
    assert images.shape == (28, 28, 50, 1)
    assert "if it is (height, width, n), transpose(2, 0, 1) it first" in note
    assert as_images(np.zeros((50, 28, 28), np.uint8), "x")[1] == ""


def test_rows_of_grey_squares():
    images, note = as_images(SMOOTH[..., 0].reshape(20, 256), "x")
    assert np.array_equal(images, SMOOTH[..., :1])
    assert "rows of 16 x 16 grey pixels" in note


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((24, 24, 3), r"one image \(h, w, c\) or 24 grey images"),
        ((24, 24, 1), "one image"),
        ((3, 24, 24), r"one image \(c, h, w\) or 3 grey images.*images\[\.\.\., None\]"),
        ((256, 256), "one image"),
        ((20, 1000), "rows of unknown size"),
        ((20, 3072), r"reshape\(-1, 32, 32, 3\), or reshape\(-1, 3, 32, 32\)"),
        ((32, 32, 3, 20), r"transpose\(3, 0, 1, 2\)"),
        ((20, 28, 28, 28), "give images as"),
        ((20, 1, 28, 28, 3), "give images as"),
        ((0, 28, 28), "give images as"),
        ((20,), "give images as"),
    ],
)
def test_other_shapes_are_refused(shape, reason):
    with pytest.raises(ArmoireError, match=rf"x is an array of .*{reason}"):
        as_images(np.random.default_rng(0).integers(0, 256, shape), "x")
