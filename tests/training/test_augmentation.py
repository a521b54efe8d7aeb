"""flip and shift: what they do to a batch, and when the data ask for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from armoire import train
from armoire.errors import ArmoireError
from armoire.images import from_array
from armoire.training import load_recipe
from armoire.training.augmentation import augment, choose_flip, choose_shift
from armoire.training.randomness import generator


def batch(n: int = 64, side: int = 8) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def changed(x: torch.Tensor, *, rows: slice = slice(None), **settings) -> torch.Tensor:
    recipe = load_recipe("images-vae").change(flip=False, shift=0).change(**settings)
    return augment(x[rows], recipe, generator(0, "augmentation"), rows, len(x))


def test_without_either_a_batch_stays():
    x = batch()
    assert torch.equal(changed(x), x)


def test_flip_mirrors_half_of_the_images():
    x = batch()
    found = changed(x, flip=True)
    mirrored = (found == x.flip(-1)).flatten(1).all(dim=1)
    assert ((found == x).flatten(1).all(dim=1) | mirrored).all()
    assert 16 < int(mirrored.sum()) < 48


def test_shift_moves_by_so_many_pixels_and_repeats_the_edge():
    x = batch()
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="replicate")
    windows = {(i, j): padded[:, :, i : i + 8, j : j + 8] for i in range(5) for j in range(5)}
    found = enumerate(changed(x, shift=2))
    moves = [next(at for at, window in windows.items() if torch.equal(image, window[k])) for k, image in found]
    assert len(set(moves)) > 12


def test_every_process_changes_its_rows_alike():
    x = batch()
    whole = changed(x, flip=True, shift=3)
    parts = [changed(x, rows=rows, flip=True, shift=3) for rows in (slice(0, 20), slice(20, 20), slice(20, 64))]
    assert torch.equal(torch.cat(parts), whole)


def blobs(n: int, seed: int = 0) -> np.ndarray:
    """Two bright bumps at random: mirrored and moved they are images of the same kind."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    at = random.uniform(3, 13, (n, 2, 2, 1, 1))
    bumps = np.exp(-((y - at[:, :, 0]) ** 2 + (x - at[:, :, 1]) ** 2) / 8).sum(axis=1)
    return (255 * bumps.clip(0, 1)).astype(np.uint8)[..., None]


def letters(n: int) -> np.ndarray:
    """Letters that are none when they are mirrored, in a few sizes and places."""
    random, found = np.random.default_rng(0), []
    for k in range(n):
        image = Image.new("L", (16, 16))
        font = ImageFont.load_default(float(random.integers(12, 15)))
        ImageDraw.Draw(image).text((3 + random.integers(3), -1), "EFKLPR"[k % 6], fill=255, font=font)
        found.append(np.asarray(image))
    return np.stack(found)[..., None]


def test_images_of_which_mirror_images_are_more_are_mirrored():
    chosen, reason = choose_flip(from_array(blobs(60)), 0)
    assert chosen and "nearer to them" in reason


def test_letters_are_not_mirrored():
    chosen, reason = choose_flip(from_array(letters(200)), 0)
    assert not chosen and "farther from the data" in reason


def test_few_moved_images_are_moved_and_many_centred_ones_are_not():
    moved, reason = choose_shift(from_array(blobs(80)), 0)
    assert moved == 1 and "nearer to them" in reason
    centred = np.random.default_rng(0).integers(0, 256, (60, 1, 1, 1), np.uint8) * (blobs(1) // 200).astype(np.uint8)
    assert choose_shift(from_array(centred), 0)[0] == 0


def test_many_images_are_left_as_they_are():
    images = from_array(np.repeat(blobs(125), 20, axis=0))
    assert choose_flip(images, 0)[0] is False and choose_shift(images, 0)[0] == 0
    assert "are enough" in choose_flip(images, 0)[1]


def test_a_training_decides_once(tmp_path, recorder):
    recipe = load_recipe("images-vae").change(size=16, channels=[4, 8], latent=32, steps=3, prior="none")
    images = from_array(blobs(60))
    run = train(recipe, images, tmp_path / "r", device="cpu", progress=recorder).run
    assert run.recipe.flip is True and any(note.startswith("flip = true") for note in recorder.notes)
    resumed = train(recipe.change(steps=4), images, tmp_path / "r", device="cpu", resume=True, progress=recorder)
    assert resumed.recipe.flip is True
    assert sum(note.startswith("flip") for note in recorder.notes) == 1


@pytest.mark.parametrize("value", ["yes", 17, -1, 0.5])
def test_what_is_no_shift(value):
    with pytest.raises(ArmoireError, match="shift"):
        load_recipe("images-vae").change(shift=value)
