"""latent = "auto": as many dimensions as the data ask for, decided once, by training images alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from armoire import Run, load_recipe
from armoire.errors import ArmoireError
from armoire.images import from_array
from armoire.training import fit_epochs
from armoire.training.latent_size import SIZES, choose_latent


def mixtures(n: int, rank: int, seed: int = 0, side: int = 16) -> np.ndarray:
    """n images that are combinations of as many patterns as `rank`, all of them of the same weight."""
    random = np.random.default_rng(seed)
    patterns = np.linalg.qr(random.standard_normal((side * side, rank)))[0].T
    pixels = 128 + 100 * random.uniform(-1, 1, (n, rank)) @ patterns
    return pixels.clip(0, 255).round().astype(np.uint8).reshape(n, side, side)


@pytest.mark.parametrize(("rank", "expected"), [(3, 8), (16, 16), (30, 32)])
def test_as_many_as_explain_the_data(rank, expected):
    d, reason = choose_latent(from_array(mixtures(400, rank)), seed=0)
    assert d == expected
    assert f"latent = {d}: {d} principal components explain" in reason


def test_few_images_have_few_dimensions():
    noise = np.random.default_rng(0).integers(0, 256, (90, 16, 16), np.uint8)
    d, reason = choose_latent(from_array(noise), seed=0)
    assert d == max(size for size in SIZES if 3 * size <= 81)
    assert "more dimensions would need more images than the" in reason
    assert choose_latent(from_array(noise[:6]), seed=0)[0] == SIZES[0]
    assert choose_latent(from_array(np.zeros((40, 16, 16), np.uint8)), seed=0)[0] == SIZES[0]


def test_images_that_are_measured_on_have_no_part_in_it():
    images = from_array(mixtures(200, 3))
    held_out = images.split_of == images.held_out
    other = images.images.copy()
    other[held_out] = np.random.default_rng(1).integers(0, 256, other[held_out].shape, np.uint8)
    assert choose_latent(replace(images, images=other), 0) == choose_latent(images, 0)


def test_it_is_decided_once_and_recorded(tmp_path, tiny, recorder):
    images = from_array(mixtures(200, 3))
    recipe = tiny("images-vae", size=16).change(latent="auto")
    with pytest.raises(ArmoireError, match="latent in recipe images-vae is auto"):
        _ = recipe.dimensions
    run = fit_epochs(recipe, images, tmp_path / "run", device="cpu", progress=recorder)
    assert run.recipe.latent == Run.open(run.path).recipe.dimensions == 8
    assert [note for note in recorder.notes if note.startswith("latent = 8")]
    recorder.notes.clear()
    fit_epochs(recipe.change(epochs=3), images, run.path, resume=True, device="cpu", progress=recorder)
    assert not [note for note in recorder.notes if note.startswith("latent")]
    assert load_recipe("images-vae").latent == "auto"
