"""The pictures and numbers of edit, morph, nearest and reconstruct."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Outcome, Trained, alike, contents, leftovers
from PIL import Image, ImageSequence

from armoire.wardrobe.outliers import ROW

SIDE, GAP, SCALE = 16, 2, 8  # 16 pixels are enlarged to 128


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ends(in_process, faces: Path) -> tuple[list[Path], np.ndarray, np.ndarray]:
    """Two image files, their pixels, and their reconstructions as `armoire reconstruct` saves them."""
    images = [faces.parent / "0.png", faces.parent / "1.png"]
    made = in_process("reconstruct", faces, *images, "--out", "again.png")
    assert made.code == 0, made.err
    both = cells("again.png", 2, 2)
    errors = [float(line.split()[-1]) for line in made.out.splitlines()[:2]]
    pixels = both[:2].astype(float), both[2:].astype(float)
    np.testing.assert_allclose(errors, np.square((pixels[0] - pixels[1]) / 255).mean(axis=(1, 2, 3)), atol=6e-5)
    return images, both[:2], both[2:]


def cells(path: str, rows: int, columns: int) -> np.ndarray:
    """The pictures in a sheet, row by row, at their own size."""
    with Image.open(path) as sheet:
        assert sheet.size == tuple((n * (SIDE + GAP) - GAP) * SCALE for n in (columns, rows))
        small = np.asarray(sheet)[::SCALE, ::SCALE]
        assert (np.asarray(sheet) == small.repeat(SCALE, 0).repeat(SCALE, 1)).all()
    step = SIDE + GAP
    corners = [(row * step, column * step) for row in range(rows) for column in range(columns)]
    return np.stack([small[top : top + SIDE, left : left + SIDE] for top, left in corners])


def test_a_morph_goes_from_one_reconstruction_to_the_other(in_process, faces: Path, ends, here: Path) -> None:
    images, _, again = ends
    strips = {}
    for path in ("linear", "spherical"):
        made = in_process("morph", faces, *images, "--steps", 5, "--path", path, "--out", "m.png")
        assert (made.code, made.out, made.err) == (0, "m.png\n", "")
        strips[path] = cells("m.png", 1, 5)
        assert alike(strips[path][[0, -1]], again)
        away = [np.abs(image.astype(float) - again[0]).mean() for image in strips[path]]
        assert away == sorted(set(away)), "each step is farther from where it began"
    assert (strips["linear"] != strips["spherical"]).any()
    assert in_process("morph", faces, *images, "--steps", 17, "--out", "m.png").code == 0
    sheet = cells("m.png", 2, 9)
    assert alike(sheet[[0, 16]], again)
    assert (sheet[17] == 255).all()
    assert leftovers(here) == []


@pytest.mark.parametrize("steps", [2, 6])
def test_an_animation_goes_there_and_back_for_ever(in_process, faces: Path, ends, steps: int) -> None:
    for out in ("m.gif", "m.png"):
        assert in_process("morph", faces, *ends[0], "--steps", steps, "--out", out).out == f"{out}\n"
    with Image.open("m.gif") as film:
        assert (film.format, film.size, film.info["loop"]) == ("GIF", (SIDE * SCALE, SIDE * SCALE), 0)
        frames = [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in ImageSequence.Iterator(film)]
    # 16 x 16 pixels have no more colours than a GIF can hold, so that nothing is lost.
    there_and_back = [*range(steps), *range(steps - 2, 0, -1)]
    assert alike(np.stack([image[::SCALE, ::SCALE] for image, _ in frames]), cells("m.png", 1, steps)[there_and_back])
    assert [duration for _, duration in frames] == [800 if i in (0, steps - 1) else 100 for i in there_and_back]


@pytest.mark.parametrize("strength", [("--strength", "-2,0,2"), ("--strength=-2,0,2",)])
def test_an_edit_shows_original_reconstruction_and_every_strength(in_process, faces: Path, ends, strength) -> None:
    (image, _), original, again = ends
    made = in_process("edit", faces, image, "--attribute", "Smiling", *strength, "--out", "e.png")
    assert (made.code, made.err) == (0, "")
    strip = cells("e.png", 1, 5)
    with Image.open(image) as file:
        assert (strip[0] == np.asarray(file)).all()
    assert (strip[0] == original[0]).all()
    assert alike(strip[[1, 3]], again[[0, 0]]), "a strength of 0 is the reconstruction"
    assert not alike(strip[2], strip[3])
    assert not alike(strip[3], strip[4])
    direction, unit, *rest = made.out.splitlines()
    assert direction == "direction   Smiling, by method partial"
    assert unit.endswith("in the latent space, one standard deviation of the training images along it")
    assert rest == [
        "column 1    the original, as prepared",
        "column 2    its reconstruction, strength 0",
        "column 3    strength -2",
        "column 4    strength +0",
        "column 5    strength +2",
        "e.png",
    ]


def test_an_edit_is_that_of_the_direction(in_process, faces: Path) -> None:
    from armoire import Wardrobe

    wardrobe = Wardrobe.open(faces, device="cpu")
    z = wardrobe.encode(faces.parent / "0.png")
    strengths, found = ",".join(map(str, range(-8, 8))), []
    for method in ("difference", "partial", "logistic"):
        words = ("--attribute", "Smiling", "--strength", strengths, "--method", method, "--out", "e.png")
        made = in_process("edit", faces, faces.parent / "0.png", *words)
        assert "row 1, column 3  strength -8\n" in made.out
        assert "row 2, column 2  strength +0\n" in made.out
        direction = wardrobe.direction("Smiling", method=method)
        assert f"{direction.scale:.4g} in the latent space" in made.out
        found.append(cells("e.png", 2, 9)[17])
        assert alike(found[-1], wardrobe.decode(z + 7 * direction.scale * direction.vector)[0])
    assert (found[0] != found[1]).any()
    assert (found[1] != found[2]).any()


def test_the_nearest_of_a_training_image_is_itself(in_process, faces: Path) -> None:
    before, image = contents(faces), faces.parent / "1.png"
    found = in_process("nearest", faces, image, "--json").json()
    assert list(found) == ["image", *ROW, "search", "nearest"]
    assert found["search"] == {"kind": "exact", "recall_at_10": 1.0}
    assert (found["image"], found["outlier"]) == (str(image), False)
    first = {"id": "000001", "split": "train", "label": None, "distance": pytest.approx(0, abs=1e-4)}
    assert found["nearest"][0] == first
    distances = [row["distance"] for row in found["nearest"]]
    assert distances == sorted(distances)
    assert len({row["id"] for row in found["nearest"]}) == 6
    held_out = in_process("nearest", faces, faces.parent / "9.png", "-n", 1, "--json").json()["nearest"]
    assert [(row["id"], row["split"]) for row in held_out] == [("000009", "test")]
    assert len(in_process("nearest", faces, image, "-n", 500, "--json").json()["nearest"]) == 60
    assert contents(faces) == before


def test_the_nearest_as_a_table(in_process, trained: Trained, pictures: Path) -> None:
    words = ("nearest", trained.run, pictures / "disc" / "001.png", "-n", 3)
    head, *rows = [line.split() for line in in_process(*words).out.splitlines()]
    assert head == ["id", "split", "label", "distance"]
    assert rows[0][0] == "disc/001.png"
    found = in_process(*words, "--json").json()["nearest"]
    assert rows == [[row["id"], row["split"], row["label"], f"{row['distance']:.4f}"] for row in found]
    assert all(row["label"] == row["id"].split("/")[0] for row in found)


def outliers(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome.err
    return [line.split(" is an outlier")[0] for line in outcome.err.splitlines() if " is an outlier: " in line]


def test_an_outlier_is_noted(in_process, faces: Path) -> None:
    face, noise = (str(faces.parent / name) for name in ("9.png", "noise.png"))
    edit = ("--attribute", "Smiling", "--strength", "1", "--out", "e.png")
    assert outliers(in_process("edit", faces, noise, *edit)) == [noise]
    assert outliers(in_process("edit", faces, face, *edit)) == []
    assert outliers(in_process("morph", faces, noise, face, "--out", "m.png")) == [noise]
    found = in_process("nearest", faces, noise, "--json")
    assert (outliers(found), found.json()["outlier"]) == ([noise], True)
    assert found.json()["percentile"] == found.json()["error_percentile"] == 100


def test_outliers_among_new_images(in_process, faces: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    for name in ("1.png", "9.png", "noise.png"):
        (new / name).write_bytes((faces.parent / name).read_bytes())
    found = in_process("outliers", faces, new, "--json", "--out", tmp_path / "o.png").json()
    assert [row["id"] for row in found["images"] if row["outlier"]] == ["noise.png"]
    assert found["outliers"] == 1 and list(found["images"][0]) == ["id", *ROW]
    calibration = found["calibration"]
    assert calibration["false_positive_rate"] == pytest.approx(1 / (calibration["images"] + 1))
    with Image.open(tmp_path / "o.png") as sheet:
        assert sheet.size[0] > 1000
    printed = in_process("outliers", faces, new, "-n", 1)
    assert printed.out.splitlines()[0] == "1 of 3 images are outliers"
    assert printed.out.splitlines()[2].split()[:2] == ["noise.png", "outlier"]
    assert "an image is an outlier if" in printed.err
