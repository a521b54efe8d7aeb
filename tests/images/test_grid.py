"""Sheets, strips and films."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from armoire.images.grid import enlargement, even_columns, gif, png


@given(n=st.integers(1, 200), most=st.integers(1, 20))
def test_rows_are_as_few_as_can_be_and_about_equally_long(n, most):
    columns = even_columns(n, most)
    rows = -(-n // columns)
    assert columns <= most
    assert rows == -(-n // most)
    assert rows * columns - n < rows


def test_small_images_are_enlarged_by_whole_numbers():
    sides = (16, 28, 32, 64, 128, 256)
    assert [enlargement(np.zeros((1, side, side, 1), np.uint8)) for side in sides] == [8, 4, 4, 2, 1, 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_pixel_is_repeated(pictures, channels):
    image = pictures(1, channels=channels)[0]
    with Image.open(BytesIO(png(image, 3))) as opened:
        found = np.asarray(opened).reshape(48, 48, channels)
    assert (found == image.repeat(3, 0).repeat(3, 1)).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n", "order"), [(2, [0, 1]), (3, [0, 1, 2, 1]), (5, [0, 1, 2, 3, 4, 3, 2, 1])])
def test_a_film_goes_there_and_back(channels, n, order):
    images = np.random.default_rng(n).integers(0, 256, (n, 16, 16, channels), np.uint8)
    with Image.open(BytesIO(gif(images, 2))) as film:
        assert (film.size, film.n_frames, film.info["loop"]) == ((32, 32), len(order), 0)
        shown = [(np.asarray(f.convert("RGB"))[::2, ::2], f.info["duration"]) for f in ImageSequence.Iterator(film)]
    assert all((image == images[i]).all() for (image, _), i in zip(shown, order, strict=True))
    assert [duration for _, duration in shown] == [800 if i in (0, n - 1) else 100 for i in order]


def test_many_colours_are_matched_closely():
    y, x = np.mgrid[:64, :64] / 63
    smooth = [np.stack([y * t + x * (1 - t), x, 1 - y * t], axis=-1) for t in (0.0, 0.5, 1.0)]
    images = (np.stack(smooth) * 255).astype(np.uint8)
    with Image.open(BytesIO(gif(images))) as film:
        shown = [np.asarray(f.convert("RGB")).astype(float) for f in ImageSequence.Iterator(film)][:3]
    assert np.abs(np.stack(shown) - images).mean() < 5
