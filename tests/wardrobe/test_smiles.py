"""Directions of drawn faces, whose smiles and hair can be measured without an attribute classifier."""

from __future__ import annotations

import numpy as np
import pytest

from armoire import load_images, load_recipe, train
from armoire.images.sources.drawn_faces import measured_hair_colour, measured_smile

pytestmark = pytest.mark.slow  # a whole training
GIVEN = ("drawn-faces:1500", 32, "stretch")


@pytest.fixture(scope="module")
def faces(tmp_path_factory, unchecked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        unchecked(f"from armoire import load_images; load_images{GIVEN}")
        return load_images(*GIVEN)


@pytest.fixture(scope="module")
def wardrobe(faces, tmp_path_factory):
    recipe = load_recipe("drawn-faces-vae").change(size=32, channels=[16, 32, 64], epochs=10, data="")
    return train(recipe, faces, tmp_path_factory.mktemp("runs") / "faces", device="cpu")


def edited(wardrobe, faces, smiling: int, attribute: str, strength: float, method: str = "partial"):
    """How far the measured smile and the hair's colour (0 to 255) move in held-out faces that smile (1) or do not."""
    held_out = faces.split("test")
    z = wardrobe.encode(held_out.images[held_out.attribute("Smiling") == smiling])
    before, after = wardrobe.decode(z), wardrobe.decode(wardrobe.direction(attribute, method=method).move(z, strength))
    smile = measured_smile(after) - measured_smile(before)
    hair = np.linalg.norm(measured_hair_colour(after) - measured_hair_colour(before), axis=1)
    return smile[np.isfinite(smile)], float(hair.mean())


def assert_beyond_chance(values: np.ndarray, least: float) -> None:
    assert values.mean() > least
    assert values.mean() > 3 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("method", ["difference", "partial"])
def test_the_smile_direction_bends_the_mouth_and_leaves_the_hair(wardrobe, faces, method):
    more, hair = edited(wardrobe, faces, -1, "Smiling", 2, method)
    assert_beyond_chance(more, 0.05)  # smiles are drawn from -0.35 to 0.65
    less, _ = edited(wardrobe, faces, 1, "Smiling", -2, method)
    assert_beyond_chance(-less, 0.05)
    assert hair < 15


def test_the_hair_direction_changes_the_hair_and_leaves_the_smile(wardrobe, faces):
    smile, hair = edited(wardrobe, faces, -1, "Blond_Hair", 2)
    more, by_smiling = edited(wardrobe, faces, -1, "Smiling", 2)
    assert hair > 4 * by_smiling
    assert abs(smile.mean()) < 0.5 * more.mean()
