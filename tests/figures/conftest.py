"""Two tiny runs over drawn shapes: a VAE and, beside each other, autoencoders that differ in the loss alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from armoire.images import ImageSet, from_array
from armoire.training import load_recipe
from armoire.wardrobe import Wardrobe, train

CLASSES = ("bar", "$quare_", "_ring")


def drawn_images(n: int = 300, size: int = 16, channels: int = 1) -> ImageSet:
    """Bars, squares and rings of random place and brightness."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:size, :size]
    images, labels = np.zeros((n, size, size, channels), np.uint8), random.integers(0, len(CLASSES), n)
    for image, label in zip(images, labels, strict=True):
        centre, value = random.uniform(5, size - 5, 2), random.integers(100, 256, channels)
        across, down = np.abs(x - centre[0]), np.abs(y - centre[1])
        shape = (across < 1.5, np.maximum(across, down) < 4, np.abs(np.hypot(across, down) - 4) < 1)[label]
        image[shape] = value
    return from_array(images, labels, CLASSES, name="shapes")


def tiny(recipe: str, images: ImageSet, out: Path, **settings: object) -> Wardrobe:
    return train(load_recipe(recipe), images, out, device="cpu", data="array", **({"epochs": 1} | settings))


@pytest.fixture(scope="session")
def shapes() -> ImageSet:
    return drawn_images()


@pytest.fixture(scope="session")
def vae(shapes: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    return tiny("fashion-vae", shapes, tmp_path_factory.mktemp("runs") / "shapes-vae", epochs=2, batch=20)


@pytest.fixture(scope="session")
def pair(shapes: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Wardrobe, Wardrobe]:
    folder = tmp_path_factory.mktemp("pair")
    return tiny("fashion-ae", shapes, folder / "ae"), tiny("fashion-ae-rmse", shapes, folder / "ae-rmse")


@pytest.fixture(scope="session")
def lone(shapes: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    return tiny("fashion-ae", shapes, tmp_path_factory.mktemp("lone") / "fashion-ae", noise=0.2)


@pytest.fixture(scope="session")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    folder = tmp_path_factory.mktemp("colour")
    return tiny("images-vae", drawn_images(channels=3), folder / "rgb", latent=5, size=16)
