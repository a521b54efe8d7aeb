"""A survey finds planted duplicates, each kind by its name, and nothing else; outliers; groups."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from armoire.errors import ArmoireError
from armoire.images import load_images
from armoire.survey import Survey, make_survey

KINDS = ("exact", "recompressed", "resized", "cropped", "mirrored")
EACH, SIDE = 4, 64


def texture(random: np.random.Generator) -> Image.Image:
    """An image of its own: coloured blots of several sizes."""
    blots = [random.normal(size=(s, s, 3)) / s**0.25 for s in (3, 6, 12)]
    sizes = [
        np.stack([np.asarray(Image.fromarray(b[..., c]).resize((SIDE, SIDE), 3)) for c in range(3)], 2) for b in blots
    ]
    return Image.fromarray((128 + 50 * sum(sizes)).clip(0, 255).astype(np.uint8))


def duplicate(image: Image.Image, kind: str, path: Path, k: int) -> None:
    if kind == "resized":
        image = image.resize((44 + 30 * k, 44 + 30 * k))
    elif kind == "cropped":
        corner = [(0, 0), (6, 0), (3, 3), (6, 6)][k]
        image = image.crop((*corner, corner[0] + 58, corner[1] + 58))
    elif kind == "mirrored":
        image = ImageOps.mirror(image)
    image.save(path.with_suffix(".png" if kind == "exact" else ".jpg"), quality=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 textures, four duplicates of each kind, and three of other colours and shapes."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "textures"
    folder.mkdir()
    for k in range(80):
        image = texture(random)
        image.save(folder / f"{k:02d}.png")
        if k < EACH * len(KINDS):
            duplicate(image, KINDS[k // EACH], folder / f"copy-of-{k:02d}", k % EACH)
    Image.new("RGB", (SIDE, SIDE), "red").save(folder / "odd-red.png")
    Image.new("L", (SIDE, SIDE), 255).save(folder / "odd-white.png")
    Image.fromarray(np.repeat(np.uint8([[0, 255]]), SIDE // 2, 1).repeat(SIDE, 0)).save(folder / "odd-halves.png")
    return folder


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Path]:
    """The survey by principal components, and its folder."""
    out = tmp_path_factory.mktemp("made") / "survey"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("armoire.survey.make.installed_features", list)
        return make_survey(folder, out, workers=1), out


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "survey.csv").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_planted_duplicates_are_found_and_nothing_else(made):
    found = {row["id"]: row for row in rows_of(made[1]).values() if row["duplicate_of"]}
    assert len(found) == EACH * len(KINDS)
    for k in range(EACH * len(KINDS)):
        copy = next(name for name in rows_of(made[1]) if name.startswith(f"copy-of-{k:02d}"))
        row = found.get(copy) or found[f"{k:02d}.png"]  # a copy may be the larger one
        assert {row["id"], row["duplicate_of"]} == {copy, f"{k:02d}.png"}
        assert row["duplicate_kind"] == KINDS[k // EACH]
        assert (float(row["duplicate_distance"]) == 0) == (row["duplicate_kind"] == "exact")


def test_outliers_come_last_in_the_order_of_percentiles(made):
    last = sorted(rows_of(made[1]).values(), key=lambda row: float(row["outlier_percentile"]))[-3:]
    assert {row["id"] for row in last} == {"odd-red.png", "odd-white.png", "odd-halves.png"}


def test_every_image_has_a_group_and_every_group_an_exemplar(made):
    rows = rows_of(made[1]).values()
    assert [row["group"] for row in rows if row["exemplar"]] and all(row["group"] for row in rows)
    exemplars = [row["group"] for row in rows if row["exemplar"]]
    assert sorted(exemplars) == sorted({row["group"] for row in rows})


def test_the_page_shows_pairs_and_names_no_folder_of_this_machine(made, folder):
    survey, out = made
    page = (out / "index.html").read_text()
    assert {path.name for path in out.iterdir()} == {"index.html", "survey.csv", "rejected.csv"}
    assert "textures: 103 images" in page
    assert page.count("<img") == 20 + 60 + len(survey.groups.exemplars)
    assert str(folder) not in page
    assert "http" not in page
    assert "principal components" in page


def test_it_resumes_and_its_folder_is_its_own(folder, tmp_path, made):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("keep")
    with pytest.raises(ArmoireError, match="holds no survey"):
        make_survey(folder, tmp_path / "full")
    with pytest.raises(ArmoireError, match="did you mean 'ray'"):
        make_survey(folder, tmp_path / "new", engine="rya")


def test_duplicates_are_left_out_of_a_data_set(made, folder):
    whole, part = load_images(folder), load_images(folder, without=made[1] / "survey.csv")
    copies = {name for name, row in rows_of(made[1]).items() if row["duplicate_of"]}
    assert set(whole.ids) - set(part.ids) == copies
    assert (part.info.left_out, part.describe()["found"]) == (len(copies), len(whole))
    rows = [whole.ids.index(name) for name in part.ids]
    np.testing.assert_array_equal(part.images, whole.images[rows])
    assert any("left out as duplicates: 20" in line for line in part.reading.summary(len(part)))
    assert load_images(folder).info.left_out == 0  # each has a store of its own


def test_a_survey_of_other_data_is_refused_in_one_sentence(made, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("00.png", "01.png", "30.png"):
        shutil.copy(folder / name, other / name)
    with pytest.raises(ArmoireError, match=r"survey\.csv names .* which is not in "):
        load_images(other, without=made[1] / "survey.csv")
    with pytest.raises(ArmoireError, match="no survey"):
        load_images(folder, without=tmp_path / "missing.csv")
    (tmp_path / "a.csv").write_text("name\nx\n")
    with pytest.raises(ArmoireError, match="is not a survey"):
        load_images(folder, without=tmp_path / "a.csv")


def test_the_copy_that_is_held_out_is_the_original(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("armoire.survey.make.installed_features", list)
    for split, names in {"train": ("00", "08", "40", "41"), "test": ("copy-of-00", "copy-of-08", "42", "43")}.items():
        (tmp_path / "data" / split).mkdir(parents=True)
        for name in names:
            (path,) = folder.glob(f"{name}.*")
            shutil.copy(path, tmp_path / "data" / split / path.name)
    found = make_survey(tmp_path / "data", tmp_path / "out", workers=1)
    assert len(found.across_splits()) == 2
    part = load_images(tmp_path / "data", without=tmp_path / "out/survey.csv")
    assert part.splits == {"train": 2, "test": 4}


def test_images_that_are_reduced_while_they_are_decoded_are_compared_by_their_size_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("armoire.survey.make.installed_features", list)
    random, folder = np.random.default_rng(1), tmp_path / "large"
    folder.mkdir()
    for k in range(4):
        texture(random).resize((900, 700)).save(folder / f"{k}.jpg", quality=95)
    Image.open(folder / "0.jpg").save(folder / "saved-again.jpg", quality=50)
    Image.open(folder / "1.jpg").resize((450, 350)).save(folder / "smaller.jpg", quality=95)
    found = make_survey(folder, tmp_path / "out", workers=1)
    kinds = {found.ids[row]: found.copies.kind[row] for row in found.copies.rows}
    assert kinds == {"saved-again.jpg": "recompressed", "smaller.jpg": "resized"}


def test_a_run_knows_what_was_left_out_wherever_the_survey_goes(made, folder, tmp_path, tiny):
    from armoire import Wardrobe, train

    shutil.copy(made[1] / "survey.csv", tmp_path / "survey.csv")
    recipe = tiny().change(size=16, without=str(tmp_path / "survey.csv"))
    run = train(recipe, folder, tmp_path / "run", device="cpu")
    (tmp_path / "survey.csv").unlink()
    again = Wardrobe.open(tmp_path / "run", device="cpu")
    assert len(again.images) == len(run.latents) == 83
    assert again.run.data.left_out == 20
    assert str(tmp_path) not in json.dumps(again.run.public_recipe().model_dump())
    assert str(tmp_path).encode() not in again.run.public_model()
    with pytest.raises(ArmoireError, match="data that are named"):
        train(recipe, load_images(folder, size=16), tmp_path / "other", device="cpu")


def test_a_runs_latents_are_the_features(vae_run, tmp_path, pictures):
    (tmp_path / "discs").mkdir()
    for k, image in enumerate(pictures(30, 16, seed=5)):
        Image.fromarray(image[..., 0]).save(tmp_path / f"discs/{k:02d}.png")
    found = make_survey(tmp_path / "discs", tmp_path / "out", run=vae_run, workers=1)
    assert found.features == f"latents of {vae_run.run.name}"
