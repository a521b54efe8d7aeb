"""What lies near an image, what lies between two, and what one looks like with more or less of an attribute."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from command_line import QUICK, Armoire, Outcome, Trained, alike, assert_one_sentence, contents, leftovers
from PIL import Image, ImageSequence

from armoire.images.sources.drawn_faces import drawn_face
from armoire.images.sources.portrait import paint

SIDE, GAP, SCALE = 16, 2, 8  # 16 pixels are enlarged to 128
FACES = ("--size", "16", "--latent", "4", "--epochs", "4", "--batch", "16", "--set", "channels=[8, 8]")
TRAINING, HELD_OUT = (0, 1), (9, 19, 29, 39, 49, 59)  # every tenth is held out
METHODS = ("difference", "partial", "logistic")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, env: dict, server: object) -> Armoire:
    return Armoire(tmp_path_factory.mktemp("faces"), env, server)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def faces(shared: Armoire) -> Path:
    """A run on drawn faces, and beside it files of some of them; not to be written to."""
    done = shared("train", "drawn-faces-vae", "--data", "drawn-faces:60", *FACES, "--out", "run")
    assert done.code == 0, done.err
    for i in (*TRAINING, *HELD_OUT):
        paint(drawn_face(i), SIDE).save(shared.cwd / f"{i}.png")
    noise = np.random.default_rng(0).integers(0, 2, (SIDE, SIDE, 3), np.uint8) * 255
    Image.fromarray(noise).save(shared.cwd / "noise.png")
    # The directions are made once, so that verbs that only look can be seen to write nothing.
    for method in METHODS:
        words = ("--attribute", "Smiling", "--strength", "1", "--method", method, "--out", "made.png")
        made = shared("edit", "run", "0.png", *words)
        assert made.code == 0, made.err
    return shared.cwd


def cells(path: Path, rows: int, columns: int) -> np.ndarray:
    """The pictures in a sheet, row by row, at their own size; the sheet must have just that many places."""
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.size == tuple((n * (SIDE + GAP) - GAP) * SCALE for n in (columns, rows))
        small = np.asarray(sheet)[::SCALE, ::SCALE]
        assert (np.asarray(sheet) == small.repeat(SCALE, 0).repeat(SCALE, 1)).all()
    step = SIDE + GAP
    places = [(row * step, column * step) for row in range(rows) for column in range(columns)]
    return np.stack([small[top : top + SIDE, left : left + SIDE] for top, left in places])


def reconstructions(armoire: Armoire, run: Path, *images: Path) -> tuple[np.ndarray, np.ndarray]:
    """Originals as fitted, and what the run makes of them, by the verb that does only that."""
    made = armoire("reconstruct", run, *images, "--out", "again.png")
    assert made.code == 0, made.err
    both = cells(armoire.cwd / "again.png", 2, len(images))
    return both[: len(images)], both[len(images) :]


def frames(path: Path) -> tuple[np.ndarray, list[int], int]:
    """The frames of a GIF at their own size, how long each stays, and its loop count (0 is for ever)."""
    with Image.open(path) as film:
        assert film.format == "GIF"
        assert film.size == (SIDE * SCALE, SIDE * SCALE)
        loop = film.info["loop"]
        shown = [
            (np.asarray(f.convert("RGB"))[::SCALE, ::SCALE], f.info["duration"]) for f in ImageSequence.Iterator(film)
        ]
    return np.stack([image for image, _ in shown]), [int(duration) for _, duration in shown], loop


def test_a_morph_goes_from_one_reconstruction_to_the_other(armoire: Armoire, faces: Path) -> None:
    a, b = faces / "0.png", faces / "1.png"
    _, again = reconstructions(armoire, faces / "run", a, b)
    for path in ("linear", "spherical"):
        words = ("--steps", 5, "--path", path, "--out", f"{path}.png")
        made = armoire("morph", faces / "run", a, b, *words)
        assert (made.code, made.out, made.err) == (0, f"{path}.png\n", "")
        strip = cells(armoire.cwd / f"{path}.png", 1, 5)
        assert alike(strip[[0, -1]], again)
        away = [np.abs(image.astype(float) - strip[0]).mean() for image in strip]
        assert away == sorted(away), "each step is farther from where it began"
        assert len(set(away)) == 5
    linear, spherical = ((armoire.cwd / f"{path}.png").read_bytes() for path in ("linear", "spherical"))
    assert linear != spherical
    assert armoire("morph", faces / "run", a, b, "--steps", 5, "--out", "default.png").code == 0
    assert (armoire.cwd / "default.png").read_bytes() == linear
    assert leftovers(armoire.cwd) == []


def test_a_spherical_path_stays_between_the_lengths_of_its_ends(faces: Path) -> None:
    from armoire import Wardrobe

    wardrobe = Wardrobe.open(faces / "run", device="cpu")
    z, middles = wardrobe.latents.mean, []
    for a, b in pairwise(z):
        low, high = sorted(np.linalg.norm(end) for end in (a, b))
        lengths = np.linalg.norm(wardrobe.interpolate(a, b, steps=9, kind="spherical"), axis=1)
        assert (lengths >= low * (1 - 1e-5)).all()
        assert (lengths <= high * (1 + 1e-5)).all()
        middles.append(np.linalg.norm(wardrobe.interpolate(a, b, steps=9)[4]) < low)
    assert any(middles), "no straight line comes nearer the origin: these places cannot tell the two apart"


def test_many_steps_are_wrapped(armoire: Armoire, faces: Path) -> None:
    a, b = faces / "0.png", faces / "1.png"
    assert armoire("morph", faces / "run", a, b, "--out", "nine.png").code == 0
    cells(armoire.cwd / "nine.png", 1, 9)
    assert armoire("morph", faces / "run", a, b, "--steps", 17, "--out", "many.png").code == 0
    sheet = cells(armoire.cwd / "many.png", 2, 9)
    _, again = reconstructions(armoire, faces / "run", a, b)
    assert alike(sheet[[0, 16]], again)
    assert (sheet[17] == 255).all()


def test_a_film_goes_there_and_back_for_ever(armoire: Armoire, faces: Path) -> None:
    a, b = faces / "0.png", faces / "1.png"
    for out in ("m.gif", "m.png"):
        made = armoire("morph", faces / "run", a, b, "--steps", 6, "--out", out)
        assert (made.code, made.out) == (0, f"{out}\n"), made.err
    strip = cells(armoire.cwd / "m.png", 1, 6)
    film, durations, loop = frames(armoire.cwd / "m.gif")
    assert loop == 0
    # 16 x 16 pixels have no more colours than a GIF can hold, so that nothing is lost.
    assert alike(film, strip[[0, 1, 2, 3, 4, 5, 4, 3, 2, 1]])
    assert durations == [800, 100, 100, 100, 100, 800, 100, 100, 100, 100]
    assert leftovers(armoire.cwd) == []


def test_the_shortest_film_has_two_frames(armoire: Armoire, faces: Path) -> None:
    made = armoire("morph", faces / "run", faces / "0.png", faces / "1.png", "--steps", 2, "--out", "m.gif")
    assert made.code == 0, made.err
    film, _, loop = frames(armoire.cwd / "m.gif")
    assert (len(film), loop) == (2, 0)
    assert alike(film, reconstructions(armoire, faces / "run", faces / "0.png", faces / "1.png")[1])


@pytest.mark.parametrize("written", [("--strength", "-2,0,2"), ("--strength=-2,0,2",)])
def test_an_edit_shows_original_reconstruction_and_every_strength(
    armoire: Armoire, faces: Path, written: tuple[str, ...]
) -> None:
    made = armoire("edit", faces / "run", faces / "0.png", "--attribute", "Smiling", *written, "--out", "e.png")
    assert (made.code, made.err) == (0, "")
    original, again = reconstructions(armoire, faces / "run", faces / "0.png")
    strip = cells(armoire.cwd / "e.png", 1, 5)
    assert (strip[0] == original[0]).all()
    assert alike(strip[[1, 3]], again[[0, 0]]), "a strength of 0 is the reconstruction"
    assert not alike(strip[2], strip[3])
    assert not alike(strip[3], strip[4])
    with Image.open(faces / "0.png") as file:
        assert (strip[0] == np.asarray(file)).all()
    lines = made.out.splitlines()
    assert lines[0] == "direction   Smiling, by method partial"
    assert lines[1].startswith("strength 1  ")
    assert lines[1].endswith("in the latent space, one standard deviation of the training images along it")
    assert lines[2:] == [
        "column 1    the original, as prepared",
        "column 2    its reconstruction, strength 0",
        "column 3    strength -2",
        "column 4    strength +0",
        "column 5    strength +2",
        "e.png",
    ]
    assert leftovers(armoire.cwd) == []


def test_the_picture_is_that_of_the_direction(armoire: Armoire, faces: Path) -> None:
    """The same from Python, with strength in standard deviations of the training images' projection."""
    from armoire import Wardrobe
    from armoire.images import open_image

    wardrobe = Wardrobe.open(faces / "run", device="cpu")
    train = wardrobe.latents.split("train").mean
    z = wardrobe.encode(open_image(faces / "0.png", wardrobe.fit))
    seen = set()
    for method in METHODS:
        words = ("--strength", "1.5", "--method", method, "--out", f"{method}.png")
        made = armoire("edit", faces / "run", faces / "0.png", "--attribute", "Smiling", *words)
        assert made.code == 0, made.err
        direction = wardrobe.direction("Smiling", method=method)
        assert direction.scale == pytest.approx(float((train @ direction.vector).std()), rel=1e-5)
        assert f"{direction.scale:.4g} in the latent space" in made.out
        expected = wardrobe.decode(z + 1.5 * direction.scale * direction.vector)[0]
        found = cells(armoire.cwd / f"{method}.png", 1, 3)[2]
        assert alike(found, expected)
        seen.add(found.tobytes())
    assert len(seen) == 3


def test_many_strengths_are_wrapped_and_told(armoire: Armoire, faces: Path) -> None:
    strengths = ",".join(str(s) for s in range(-8, 8))
    words = ("--attribute", "Smiling", "--strength", strengths, "--out", "e.png")
    made = armoire("edit", faces / "run", faces / "0.png", *words)
    assert made.code == 0, made.err
    sheet = cells(armoire.cwd / "e.png", 2, 9)
    assert alike(sheet[10], sheet[1])
    rows = dict(line.split("  ", 1) for line in made.out.splitlines()[:-1])
    assert rows["row 1, column 3"].strip() == "strength -8"
    assert rows["row 2, column 2"].strip() == "strength +0"


def test_the_nearest_of_a_training_image_is_itself(armoire: Armoire, faces: Path) -> None:
    before = contents(faces / "run")
    found = armoire("nearest", faces / "run", faces / "1.png", "--json").json()
    assert list(found) == ["image", "outlier", "search", "nearest"]
    assert found["search"] == {"kind": "exact", "recall_at_10": 1.0}
    assert (found["image"], found["outlier"]) == (str(faces / "1.png"), False)
    assert len(found["nearest"]) == 6
    assert found["nearest"][0] == {
        "id": "000001",
        "split": "train",
        "label": None,
        "distance": pytest.approx(0, abs=1e-4),
    }
    distances = [row["distance"] for row in found["nearest"]]
    assert distances == sorted(distances)
    assert distances[1] > 1e-3
    assert len({row["id"] for row in found["nearest"]}) == 6
    held_out = armoire("nearest", faces / "run", faces / "9.png", "-n", 1, "--json").json()["nearest"]
    assert [(row["id"], row["split"]) for row in held_out] == [("000009", "test")]
    assert len(armoire("nearest", faces / "run", faces / "1.png", "-n", 500, "--json").json()["nearest"]) == 60
    assert contents(faces / "run") == before


def test_the_nearest_as_a_table(armoire: Armoire, trained: Trained, pictures: Path) -> None:
    shown = armoire("nearest", trained.run, pictures / "disc" / "001.png", "-n", 3)
    assert shown.code == 0
    head, *rows = [line.split() for line in shown.out.splitlines()]
    assert head == ["id", "split", "label", "distance"]
    assert len(rows) == 3
    found = armoire("nearest", trained.run, pictures / "disc" / "001.png", "-n", 3, "--json").json()["nearest"]
    assert rows == [[row["id"], row["split"], row["label"], f"{row['distance']:.4f}"] for row in found]
    assert all(row["label"] == row["id"].split("/")[0] for row in found)
    assert (found[0]["id"], rows[0][3]) == ("disc/001.png", "0.0000")


def test_classes_without_attributes_are_enough_for_a_morph(armoire: Armoire, trained: Trained, pictures: Path) -> None:
    a, b = pictures / "disc" / "001.png", pictures / "bar" / "000.png"
    made = armoire("morph", trained.run, a, b, "--steps", 4, "--out", "m.png")
    assert made.code == 0, made.err
    strip = cells(armoire.cwd / "m.png", 1, 4)
    assert alike(strip[[0, -1]], reconstructions(armoire, trained.run, a, b)[1])


def test_any_image_is_fitted_like_the_training_data(armoire: Armoire, faces: Path, trained: Trained) -> None:
    """Drawn faces are stretched; a folder's pictures are cropped."""
    wide = Image.new("RGB", (64, 32), "red")
    wide.paste("blue", (16, 0, 48, 32))
    wide.save(armoire.cwd / "wide.png")
    made = armoire("edit", faces / "run", "wide.png", "--attribute", "Smiling", "--strength", "1", "--out", "e.png")
    assert made.code == 0, made.err
    stretched = cells(armoire.cwd / "e.png", 1, 3)[0]
    assert tuple(stretched[8, 0]) == (255, 0, 0)
    assert tuple(stretched[8, 8]) == (0, 0, 255)
    cropped = reconstructions(armoire, trained.run, armoire.cwd / "wide.png")[0][0]
    assert (cropped[:, 1:-1] == (0, 0, 255)).all()  # antialiasing mixes what lies beside the cut into its edges
    assert armoire("nearest", trained.run, "wide.png", "--json").json()["image"] == "wide.png"


def strangers(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome.err
    return [line.split(" is an outlier")[0] for line in outcome.err.splitlines() if " is an outlier: " in line]


def test_an_image_far_from_the_data_is_told_of(armoire: Armoire, faces: Path) -> None:
    run, face, noise = faces / "run", faces / "9.png", faces / "noise.png"
    edit = ("--attribute", "Smiling", "--strength", "1", "--out", "e.png")
    assert strangers(armoire("edit", run, noise, *edit)) == [str(noise)]
    assert strangers(armoire("edit", run, face, *edit)) == []
    assert strangers(armoire("morph", run, noise, face, "--out", "m.png")) == [str(noise)]
    assert strangers(armoire("morph", run, noise, noise, "--out", "m.gif")) == [str(noise)] * 2
    near = armoire("nearest", run, noise, "--json")
    assert strangers(near) == [str(noise)]
    assert near.json()["outlier"] is True
    for i in HELD_OUT:  # so few that the limit is the largest error among them
        assert armoire("nearest", run, faces / f"{i}.png", "--json").json()["outlier"] is False


def test_what_is_usual_is_kept_from_training_on(armoire: Armoire, faces: Path) -> None:
    run = Path(shutil.copytree(faces / "run", armoire.cwd / "run"))
    kept = (run / "error_percentiles.json").read_bytes()
    assert json.loads(kept)["content"]["images"] == 6
    for content in (None, b"", b"{", b"[]", kept.replace(b'"percentiles"', b'"x"'), kept[:-20]):
        (run / "error_percentiles.json").unlink()
        if content is not None:
            assert content != kept
            (run / "error_percentiles.json").write_bytes(content)
        assert strangers(armoire("nearest", "run", faces / "noise.png")) == [str(faces / "noise.png")]
        assert (run / "error_percentiles.json").read_bytes() == kept


def test_what_is_in_the_run_is_enough_when_its_data_have_gone(armoire: Armoire, pictures: Path) -> None:
    own = Path(shutil.copytree(pictures, armoire.cwd / "own"))
    assert armoire("train", "images-vae", "--data", "own", *QUICK, "--out", "run").code == 0
    shutil.copy(own / "disc" / "001.png", armoire.cwd / "a.png")
    shutil.rmtree(own)
    found = armoire("nearest", "run", "a.png", "--json")
    assert "cannot be told" not in found.err
    assert found.json()["outlier"] is not None
    assert found.json()["nearest"][0]["id"] == "disc/001.png"
    (armoire.cwd / "run" / "error_percentiles.json").unlink()
    without = armoire("nearest", "run", "a.png", "--json")
    assert without.json() == found.json() | {"outlier": None}
    assert without.err.startswith("outliers cannot be detected: ")
    assert len(without.err.splitlines()) == 1
    morph = armoire("morph", "run", "a.png", "a.png", "--out", "m.png")
    assert (morph.code, len(morph.err.splitlines())) == (0, 1), "said once, not for each image"
    assert not (armoire.cwd / "run" / "error_percentiles.json").exists()


# (what is typed, words of the sentence); {faces} has attributes, {run} has classes only
WRONG = {
    "no such attribute": (
        "edit {faces}/run {faces}/0.png --attribute Smilling --strength 1 --out e.png",
        "no column 'Smilling' in drawn-faces",
        "did you mean 'Smiling'?",
    ),
    "no attributes": (
        "edit {run} {faces}/0.png --attribute Smiling --strength 1 --out e.png",
        "pictures, which has no attributes",
    ),
    "edit nothing": ("edit {faces}/run --attribute Smiling --strength 1 --out e.png", "IMAGE"),
    "edit no such image": (
        "edit {faces}/run nowhere.png --attribute Smiling --strength 1 --out e.png",
        "nowhere.png cannot be read: no such file",
    ),
    "edit no image": (
        "edit {faces}/run {faces}/run/history.csv --attribute Smiling --strength 1 --out e.png",
        "history.csv",
        "give a JPEG, PNG",
    ),
    "no such method": (
        "edit {faces}/run {faces}/0.png --attribute Smiling --strength 1 --method partail --out e.png",
        "partail",
        "difference",
        "partial",
        "logistic",
    ),
    "edit to a gif": ("edit {faces}/run {faces}/0.png --attribute Smiling --strength 1 --out e.gif", ".png", "e.gif"),
    "edit nowhere": ("edit {faces}/run {faces}/0.png --attribute Smiling --strength 1", "--out"),
    "edit where nothing can be": (
        "edit {faces}/run {faces}/0.png --attribute Smiling --strength 1 --out /proc/e.png",
        "cannot write",
    ),
    "edit without an attribute": ("edit {faces}/run {faces}/0.png --strength 1 --out e.png", "--attribute"),
    "edit without a strength": ("edit {faces}/run {faces}/0.png --attribute Smiling --out e.png", "--strength"),
    "edit no such run": (
        "edit nowhere {faces}/0.png --attribute Smiling --strength 1 --out e.png",
        "no run at nowhere",
    ),
    "one step": ("morph {faces}/run {faces}/0.png {faces}/1.png --steps 1 --out m.png", "--steps", "2", "not 1"),
    "minus one step": ("morph {faces}/run {faces}/0.png {faces}/1.png --steps -1 --out m.png", "--steps", "not -1"),
    "half a step": ("morph {faces}/run {faces}/0.png {faces}/1.png --steps 2.5 --out m.png", "--steps", "2.5"),
    "a million steps": (
        "morph {faces}/run {faces}/0.png {faces}/1.png --steps 1000000 --out m.gif",
        "--steps",
        "1,000",
    ),
    "morph to a jpg": ("morph {faces}/run {faces}/0.png {faces}/1.png --out m.jpg", ".png or .gif", "m.jpg"),
    "morph to nothing": ("morph {faces}/run {faces}/0.png {faces}/1.png --out m", ".png or .gif"),
    "morph where nothing can be": ("morph {faces}/run {faces}/0.png {faces}/1.png --out /proc/m.gif", "cannot write"),
    "no such path": (
        "morph {faces}/run {faces}/0.png {faces}/1.png --path sperical --out m.png",
        "sperical",
        "linear",
        "spherical",
    ),
    "morph one image": ("morph {faces}/run {faces}/0.png --out m.png", "IMAGE_B"),
    "morph into nothing": ("morph {faces}/run {faces}/0.png nowhere.png --out m.png", "nowhere.png", "no such file"),
    "morph no image": ("morph {run} {run}/history.csv {faces}/0.png --out m.gif", "history.csv", "JPEG, PNG"),
    "morph a folder": ("morph {run} {faces} {faces}/0.png --out m.gif", "directory"),
    "none near": ("nearest {faces}/run {faces}/0.png -n 0", "-n should be 1 or more, not 0"),
    "fewer than none near": ("nearest {faces}/run {faces}/0.png -n -2", "-n should be 1 or more, not -2"),
    "many near": ("nearest {faces}/run {faces}/0.png -n many", "-n", "'many' is not a whole number"),
    "near nothing": ("nearest {faces}/run nowhere.png --json", "nowhere.png", "no such file"),
    "near no image": ("nearest {run} {run}/history.csv", "history.csv", "JPEG, PNG"),
    "near in no run": ("nearest nowhere {faces}/0.png", "no run at nowhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_a_sentence(armoire: Armoire, faces: Path, trained: Trained, case: str) -> None:
    typed, *expected = WRONG[case]
    before = contents(faces), contents(trained.run)
    words = [word.format(faces=faces, run=trained.run) for word in typed.split()]
    assert_one_sentence(armoire(*words), *expected)
    assert list(armoire.cwd.iterdir()) == []
    assert (contents(faces), contents(trained.run)) == before


@pytest.mark.parametrize(
    "strength", ["much", "nan", "1,nan", "inf", "-inf,1", "1e300", "1001", "", ",", "1,", "1;2", "0x1"]
)
@pytest.mark.parametrize("joined", [True, False])
def test_a_strength_is_a_number_of_standard_deviations(
    armoire: Armoire, faces: Path, strength: str, joined: bool
) -> None:
    given = (f"--strength={strength}",) if joined else ("--strength", strength)
    made = armoire("edit", faces / "run", faces / "0.png", "--attribute", "Smiling", *given, "--out", "e.png")
    assert_one_sentence(made, "--strength takes numbers from -1,000 to 1,000", f"not '{strength}'")
    assert list(armoire.cwd.iterdir()) == []


def test_an_attribute_that_too_few_have_is_told(armoire: Armoire, faces: Path) -> None:
    run = Path(shutil.copytree(faces / "run", armoire.cwd / "run"))
    made = armoire("edit", run, faces / "0.png", "--attribute", "Gray_Hair", "--strength", "1", "--out", "e.png")
    assert_one_sentence(made, "Gray_Hair holds for", "at least 10 of each")
    assert not (armoire.cwd / "e.png").exists()
