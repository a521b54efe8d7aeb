"""Attributes are read from the tables of CelebA and stored with the latents; a run loads its faces again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from armoire import Wardrobe, load_recipe, train
from armoire.errors import ArmoireError
from armoire.images.sources.drawn_faces import ATTRIBUTES, write_kaggle

SETTINGS = {"size": 16, "channels": [4, 8], "latent": 3, "batch": 8, "epochs": 1}


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    folder = write_kaggle(tmp_path_factory.mktemp("faces") / "archive", 40, size=(32, 32))
    lines = (folder / "list_attr_celeba.csv").read_text().splitlines(keepends=True)
    (folder / "list_attr_celeba.csv").write_text("".join(lines[:31]))  # unknown for the last ten
    return folder


@pytest.fixture
def wardrobe(faces, tmp_path) -> Wardrobe:
    return train(load_recipe("celeba-vae").change(**SETTINGS), f"celeba:{faces}", tmp_path / "run", device="cpu")


def test_attributes_are_stored_with_the_latents_including_missing_values(wardrobe):
    images, latents = wardrobe.images, wardrobe.latents
    stored = pq.read_table(wardrobe.run.path / "latents.parquet")
    assert stored.column_names[:4] == ["id", "split", "label", "Bangs"]
    assert {*ATTRIBUTES} < {*stored.column_names} and latents.attributes == images.attributes == list(ATTRIBUTES)
    for name in ATTRIBUTES:
        found = latents.attribute(name)
        assert np.array_equal(found, images.attribute(name))
        assert {i for i, value in zip(latents.ids, found, strict=True) if value == 0} == {
            f"{i:06d}.jpg" for i in range(31, 41)
        }
    assert wardrobe.run.data.attribute_files == ("list_attr_celeba.csv",)
    with pytest.raises(ArmoireError, match=r"no column 'Bang' in list_attr_celeba\.csv; did you mean 'Bangs'\?"):
        latents.attribute("Bang", wardrobe.run.data.attribute_source)


def test_a_run_loads_its_faces_again(wardrobe, faces, recorder):
    opened = Wardrobe.open(wardrobe.run.path, device="cpu", progress=recorder)
    assert (opened.recipe.data, opened.recipe.size, opened.recipe.fit) == (f"celeba:{faces}", 16, "stretch")
    assert opened.images.info.fingerprint == opened.run.data.fingerprint
    assert recorder.titles == []


def test_changed_attributes_are_other_data(wardrobe, faces, tmp_path):
    moved = Path(shutil.copytree(faces, tmp_path / "moved"))
    same = wardrobe.load(f"celeba:{moved}")
    assert same.info.fingerprint == wardrobe.images.info.fingerprint
    (moved / "list_attr_celeba.csv").write_text("image_id,Smiling\n000001.jpg,1\n")
    assert wardrobe.load(f"celeba:{moved}").info.fingerprint != same.info.fingerprint


def test_drawn_faces_can_be_trained_on_and_loaded(wardrobe, tmp_path):
    drawn = train(load_recipe("drawn-faces-vae").change(**SETTINGS), "drawn-faces:40", tmp_path / "drawn", device="cpu")
    assert drawn.recipe.data == "drawn-faces:40"
    assert Wardrobe.open(drawn.run.path, device="cpu").images.attributes == list(ATTRIBUTES)
    assert wardrobe.load("drawn-faces:20").splits == {"train": 18, "test": 2}
