from __future__ import annotations

import numpy as np
import pytest
from shape_runs import assert_alike, drawn_images, pictures, tiny, words

from armoire import figures
from armoire.errors import ArmoireError
from armoire.figures.morph import interpolations, pairs
from armoire.wardrobe import Wardrobe


def test_a_row_is_an_interpolation_between_the_originals(vae: Wardrobe):
    figure = figures.draw(vae, "morph")
    held_out = vae.images.split("test")
    shown, ends = pictures(figure), pairs(held_out.labels)
    assert len(shown) == 11 * len(ends)
    for k, pair in enumerate(ends):
        originals = held_out.images[list(pair)]
        a, *steps, last = (shown[11 * k], *shown[11 * k + 2 : 11 * k + 11], shown[11 * k + 1])
        np.testing.assert_array_equal(np.stack([a, last]), originals[..., 0])
        z = vae.encode(originals)
        assert_alike(np.stack(steps), vae.decode(vae.interpolate(*z))[..., 0])
        assert_alike(np.stack([steps[0], steps[-1]]), vae.decode(z)[..., 0])
    assert "Lower lines" not in words(figure)
    names = vae.run.data.classes
    first, second = (names[held_out.labels[i]] for i in ends[0])
    assert f"{first}\nto {second}" in words(figure)


def test_in_more_dimensions_a_second_line_is_spherical(colour: Wardrobe):
    figure = figures.draw(colour, "morph")
    held_out = colour.images.split("test")
    shown, ends = np.stack(pictures(figure)), pairs(held_out.labels)
    assert len(shown) == 20 * len(ends)
    z = colour.encode(held_out.images[np.array(ends).ravel()]).reshape(len(ends), 2, -1)
    for k, (a, b) in enumerate(z):
        lines = shown[20 * k + 2 : 20 * k + 20]
        assert_alike(lines[:9], colour.decode(colour.interpolate(a, b, kind="linear")))
        assert_alike(lines[9:], colour.decode(colour.interpolate(a, b, kind="spherical")))
    middle = np.linalg.norm(z.mean(axis=1), axis=1).mean()
    assert f"{middle:.2f} in the middle of the straight line" in words(figure).replace("\n", " ")


def test_an_autoencoder_is_interpolated_linearly_only(lone: Wardrobe, vae: Wardrobe, colour: Wardrobe):
    assert interpolations(lone) == interpolations(vae) == ("linear",)
    assert interpolations(colour) == ("linear", "spherical")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([-1] * 20, [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]),
        ([0, 0, 0, 1, 2, 1], [(0, 3), (4, 1), (5, 2)]),
        (list(range(10)) * 2, [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]),
        ([3, 3, 3], [(0, 1)]),
        ([5], []),
    ],
)
def test_pairs_are_of_different_classes_where_there_are_any(labels: list[int], expected: list[tuple[int, int]]):
    assert pairs(np.array(labels)) == expected


@pytest.mark.filterwarnings("ignore:labels")
def test_a_single_held_out_image_is_too_few(tmp_path):
    images = drawn_images(2)
    run = tiny("fashion-vae", images, tmp_path / "two", batch=1)
    assert len(run.images.split("test")) == 1
    with pytest.raises(ArmoireError, match="needs two held-out images, and there is one"):
        figures.draw(run, "morph")
    assert not figures.FIGURES["morph"].applies(run)
