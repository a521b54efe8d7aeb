from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.images.sources.drawn_faces import (
    ATTRIBUTES,
    drawn_face,
    drawn_factors,
    measured_hair_colour,
    measured_smile,
    write_kaggle,
)
from armoire.images.sources.portrait import HAIR, Face, paint

SOME = 120
MANY = 1500


@pytest.fixture(scope="module")
def some() -> np.ndarray:
    return np.stack([np.asarray(paint(drawn_face(i))) for i in range(SOME)])


@pytest.fixture(scope="module")
def many(tmp_path_factory, unchecked) -> dict[str, np.ndarray]:
    """The factors of many faces."""
    path = tmp_path_factory.mktemp("drawn") / "many.npz"
    code = (
        "import sys, numpy; from armoire.images.sources.drawn_faces import drawn_factors; "
        "numpy.savez(sys.argv[1], **drawn_factors({}))"
    )
    unchecked(code.format(MANY), path)
    with np.load(path) as factors:
        return dict(factors)


def painted(**changes) -> np.ndarray:
    plain = replace(drawn_face(4), yaw=0.0, tilt=0.0, glasses=False, beard=False, bangs=False, hair_length=0.2)
    return np.asarray(paint(replace(plain, **changes)))[None]


def test_a_face_depends_on_seed_and_index_alone():
    assert drawn_face(17, 3) == drawn_face(17, 3)
    assert len({drawn_face(i, seed) for i in range(20) for seed in range(3)}) == 60
    few, many = drawn_factors(5), drawn_factors(50)
    assert few.keys() == many.keys() == {field.name for field in fields(Face)}
    assert all(np.array_equal(few[name], many[name][:5]) for name in few)
    assert drawn_factors(1, seed=1)["smile"] != few["smile"][0]


def test_the_known_faces_stay_what_they_are():
    face = drawn_face(0)
    assert (face.hair, face.glasses, face.bangs, face.beard) == ("gray", False, False, True)
    assert face.smile == pytest.approx(0.2870, abs=1e-4)


def test_the_set_holds_what_python_says_of_it(cache, recorder):
    images = load_images("drawn-faces:60", progress=recorder)
    assert images.shape == (64, 64, 3)
    assert images.splits == {"train": 54, "test": 6}
    assert images.split("test").ids == [f"{i:06d}" for i in range(9, 60, 10)]
    assert images.attributes == list(ATTRIBUTES) == sorted(ATTRIBUTES)
    faces = [drawn_face(i) for i in range(60)]
    truth = {name: np.array([holds(face) for face in faces]) for name, holds in ATTRIBUTES.items()}
    rows = np.array(images.ids).astype(int)
    for name in ATTRIBUTES:
        assert np.array_equal(images.attribute(name), np.where(truth[name][rows], 1, -1))
    assert np.array_equal(images.images[images.ids.index("000023")], np.asarray(paint(faces[23])))
    assert np.array_equal(truth["Smiling"], drawn_factors(60)["smile"] > 0.2)
    again = load_images(images.info.source, progress=recorder)
    assert (again.info, recorder.titles) == (images.info, ["reading drawn-faces"])
    assert [p.name for p in (cache / "stores").iterdir()] == [images.store.name]


@pytest.mark.parametrize(
    "given", ["drawn-faces:9", "drawn-faces:50001", "drawn-faces:", "drawn-faces:many", "drawn-face"]
)
def test_what_cannot_be_drawn_is_told(given, monkeypatch):
    monkeypatch.setattr("armoire.images.sources.drawn_faces.USUAL", 9)
    with pytest.raises(ArmoireError, match=r"drawn-faces"):
        load_images(given)


def test_every_attribute_has_many_of_both_kinds(many):
    faces = [
        Face(**dict(zip(many, row, strict=True))) for row in zip(*(v.tolist() for v in many.values()), strict=True)
    ]
    for name, holds in ATTRIBUTES.items():
        share = np.mean([holds(face) for face in faces])
        assert 0.05 < share < 0.85, name


def test_long_hair_and_beards_seldom_go_together_and_smiles_open_the_mouth(many):
    long = many["hair_length"] > 0.5
    assert many["beard"][long].mean() < 0.12 < 0.3 < many["beard"][~long].mean()
    assert np.corrcoef(many["smile"], many["mouth_open"])[0, 1] > 0.2
    independent = [many[name].astype(float) for name in ("smile", "glasses", "skin", "yaw", "background", "bangs")]
    assert np.abs(np.corrcoef(independent) - np.eye(len(independent))).max() < 0.1


def test_the_measured_smile_follows_the_truth(some, many):
    truth = many["smile"][:SOME]
    measured = measured_smile(some)
    assert np.corrcoef(measured, truth)[0, 1] > 0.98
    slope, offset = np.polyfit(truth, measured, 1)
    assert slope == pytest.approx(1, abs=0.1)
    assert offset == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("smile", [-0.3, 0.0, 0.3, 0.6])
@pytest.mark.parametrize(
    "pose", [{}, {"yaw": 0.25}, {"yaw": -0.25}, {"tilt": 0.1}, {"beard": True}, {"mouth_open": 2.5}]
)
def test_neither_pose_nor_beard_changes_the_measured_smile(smile, pose):
    assert measured_smile(painted(smile=smile, **pose))[0] == pytest.approx(smile, abs=0.12)


def test_a_blurred_smile_is_still_measured(some, many):
    from PIL import Image, ImageFilter

    blurred = [np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.5))) for image in some]
    assert np.corrcoef(measured_smile(np.stack(blurred)), many["smile"][:SOME])[0, 1] > 0.9


def test_no_mouth_no_smile():
    assert np.isnan(measured_smile(np.full((2, 64, 64, 3), 128, np.uint8))).all()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_smile_measures_the_same_at_any_size(size):
    face = replace(drawn_face(4), smile=0.4, glasses=False)
    assert measured_smile(np.asarray(paint(face, size))[None])[0] == pytest.approx(0.4, abs=0.12)


def test_the_measured_hair_is_the_hair(some):
    truth = np.array([drawn_face(i).hair_colour for i in range(SOME)])
    assert np.abs(measured_hair_colour(some) - truth).mean() < 4
    assert len({tuple(measured_hair_colour(painted(hair=hair))[0].round()) for hair in HAIR}) == len(HAIR)


def test_each_factor_changes_the_picture_and_nothing_else():
    changes = [{"glasses": True}, {"bangs": True}, {"hair_length": 0.9}, {"beard": True}, {"skin": 0.95}, {"yaw": 0.3}]
    base = painted(smile=0.3)
    for change in changes:
        other = painted(smile=0.3, **change)
        assert (other != base).any(axis=-1).mean() > 0.01, change
        assert measured_smile(other)[0] == pytest.approx(measured_smile(base)[0], abs=0.12)
    smiling = painted(smile=0.6)
    rows, columns = np.nonzero((smiling != base).any(axis=-1)[0])
    assert rows.min() > 36
    assert (columns.min(), columns.max()) > (18, 0)
    assert columns.max() < 46


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_written_as_kaggle_has_it_read_as_celeba(tmp_path, kind):
    path = tmp_path / ("faces.zip" if kind == "zip" else "faces")
    assert write_kaggle(path, 20, seed=5, size=(64, 64)) == path
    images = load_images(f"celeba:{path}", size=64)
    assert images.splits == {"train": 16, "valid": 2, "test": 2}
    truth = np.stack([np.asarray(paint(drawn_face(int(name[:6]) - 1, 5))) for name in images.ids])
    assert np.abs(images.images.astype(int) - truth).mean() < 6  # what JPEG costs
    smiles = np.array([drawn_face(int(name[:6]) - 1, 5).smile for name in images.ids])
    assert np.array_equal(images.attribute("Smiling"), np.where(smiles > 0.2, 1, -1))


def test_nothing_is_written_over(tmp_path):
    write_kaggle(tmp_path / "faces", 2, size=(32, 32))
    with pytest.raises(ArmoireError, match="already exists"):
        write_kaggle(tmp_path / "faces", 2)
