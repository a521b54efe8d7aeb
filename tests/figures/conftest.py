"""Tiny runs over drawn shapes."""

from __future__ import annotations

import pytest
from shape_runs import drawn_images, tiny

from armoire.images import ImageSet
from armoire.wardrobe import Wardrobe


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
