"""Drawn shapes, tiny runs over them, and the images and texts of a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from armoire.images import ImageSet, from_array
from armoire.training import load_recipe
from armoire.wardrobe import Wardrobe, train

CLASSES = ("bar", "$quare_", "_ring")


def drawn_images(n: int = 300, size: int = 16, channels: int = 1) -> ImageSet:
    """Bars, squares and rings of random position and brightness."""
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


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal to one byte: a figure decodes in batches of another size, which are summed in another order."""
    np.testing.assert_allclose(found.astype(int), expected.astype(int), rtol=0, atol=1)


def pictures(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def words(figure: Figure) -> str:
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return "\n".join(text.get_text() for text in texts)
