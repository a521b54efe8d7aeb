"""`armoire survey` as a user types it, and a training without the duplicates that it found."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path

import pytest
from command_line import QUICK, Armoire, Trained, assert_one_sentence
from PIL import Image

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs armoire[ray]")


@pytest.fixture
def with_copies(pictures: Path, tmp_path: Path) -> Path:
    """The pictures, with a copy of the first three, one of them mirrored."""
    folder = tmp_path / "with-copies"
    shutil.copytree(pictures, folder)
    for k, path in enumerate(sorted(pictures.rglob("*.png"))[:3]):
        image = Image.open(path)
        (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if k else image).save(folder / f"copy-{k}.png")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_survey_and_a_training_without_duplicates(armoire: Armoire, trained: Trained, with_copies: Path) -> None:
    found = armoire("survey", with_copies, "--run", trained.run, "--out", "made", "--workers", 1, "--json").json()
    assert (found["images"], found["features"]) == (243, "latents of run")
    left_out = [row["id"] for row in rows(armoire.cwd / "made/survey.csv") if row["duplicate_of"]]
    assert len(left_out) == found["duplicates"]["images"] >= 3
    words = ("train", "images-vae", "--data", with_copies, *QUICK, "--without", "made/survey.csv", "--out", "run")
    made = armoire(*words)
    assert made.code == 0, made.err
    told = f"{243 - len(left_out)} images encoded in latents.parquet; {len(left_out)} duplicates are left out"
    assert told in made.out
    assert 'without = "' in (armoire.cwd / "run/recipe.toml").read_text()


def test_what_the_user_can_fix(armoire: Armoire, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "survey.csv").write_text("id,duplicate_of\nthere-is-none.png,\n")
    words = ("train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--without", tmp_path / "survey.csv")
    assert_one_sentence(armoire(*words), "names there-is-none.png, which is not in")
    assert_one_sentence(armoire("survey", pictures, "--out", "made", "--engine", "spark"), "--engine")
    assert_one_sentence(armoire("survey", "nowhere", "--out", "made"), "no data at 'nowhere'")


@needs_ray
@pytest.mark.slow
def test_ray_finds_the_same(armoire: Armoire, trained: Trained, with_copies: Path) -> None:
    words = ("survey", with_copies, "--run", trained.run, "--workers", 2)
    assert armoire(*words, "--out", "local").code == 0
    made = armoire.typed(*words, "--out", "ray", "--engine", "ray")
    assert made.code == 0, made.err
    one, other = (rows(armoire.cwd / name / "survey.csv") for name in ("local", "ray"))
    assert [(row["id"], row["duplicate_of"], row["duplicate_kind"]) for row in one] == [
        (row["id"], row["duplicate_of"], row["duplicate_kind"]) for row in other
    ]
