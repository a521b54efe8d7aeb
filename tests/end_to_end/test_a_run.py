"""What a training leaves behind, and what every command makes of it, where none of the extras is installed."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import ABSENT, Armoire, Trained, assert_same_model, contents, leftovers
from PIL import Image

from armoire import load_recipe, recipe_names


@pytest.fixture
def bare(armoire: Armoire) -> Armoire:
    return replace(armoire, absent=ABSENT)


def test_training_prints_one_json_object_and_leaves_a_run(trained: Trained) -> None:
    found = trained.outcome.json()
    assert (set(found), found["run"]) == ({"run", "seconds", "steps", "last_epoch"}, "run")
    with (trained.run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert found["last_epoch"] == {name: float(value) for name, value in rows[-1].items()}
    assert "epoch 2/2" in trained.outcome.err
    files = {"recipe.toml", "model.safetensors", "history.csv", "latents.parquet", "outliers.safetensors"}
    assert {path.name for path in trained.run.iterdir()} == files | {"checkpoints", "previews", "priors"}


def test_a_printed_recipe_trains_the_same_and_says_what_to_type_next(bare: Armoire, trained: Trained, pictures) -> None:
    (bare.cwd / "mine.toml").write_text(bare("recipes", "images-vae").out)
    settings = ("size=16", "latent=2", "epochs=2", "batch=32", "channels=[8, 8]", "validation=0")
    given = [word for setting in settings for word in ("--set", setting)]
    made = bare("train", "mine.toml", "--data", pictures, *given, "--out", "run")
    assert made.code == 0, made.err
    assert_same_model(bare.cwd / "run", trained.run)
    commands = ("sample run -n 30 --out samples.png", "explore run", "doctor run", "figures run")
    assert [line.rpartition("armoire ")[2] for line in made.out.splitlines()[-4:]] == list(commands)
    assert "14 steps are too few" in made.err


def test_evaluate(bare: Armoire, copied: Path, trained: Trained) -> None:
    found = bare("evaluate", "run", "--json")
    assert bare("evaluate", "run", "--json").out == found.out
    elbo, last = found.json()["elbo"], trained.outcome.json()["last_epoch"]
    for what, value in elbo.items():
        assert value == pytest.approx(last[f"test_{what}"], rel=1e-5), "training measures something else"
    table = bare("evaluate", "run", "--split", "train", "--draws", 3, "--denoising")
    assert table.code == 0, table.err
    for words in ("data split", "likelihood bits per dimension", "denoising masking 0.1", "latent holes"):
        assert words in table.out
    assert "rate by dimension" not in table.out
    assert max(map(len, table.out.splitlines())) < 200


def test_samples_are_saved_in_three_ways(bare: Armoire, trained: Trained) -> None:
    for out in ("s.npy", "s.png", "folder/", "photos.2024/"):
        made = bare("sample", trained.run, "-n", 5, "--seed", 7, "--out", out)
        assert (made.code, made.out) == (0, f"{out.rstrip('/')}\n"), made.err
    array = np.load(bare.cwd / "s.npy", allow_pickle=False)
    assert (array.shape, array.dtype) == ((5, 16, 16, 3), np.uint8)
    files = sorted((bare.cwd / "folder").iterdir())
    assert [file.name for file in files] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert (np.stack([np.asarray(Image.open(file)) for file in files]) == array).all()
    with Image.open(bare.cwd / "s.png") as sheet:
        assert (sheet.mode, sheet.size) == ("RGB", ((5 * 18 - 2) * 8, 16 * 8))
    assert leftovers(bare.cwd) == []


def test_a_fitted_prior_is_drawn_from(bare: Armoire, copied: Path) -> None:
    assert "averages of" in bare("sample", "run", "-n", 5, "--out", "default.npy").err
    fitted = bare("prior", "run", "--kind", "gmm", "--json").json()
    assert fitted["prior"] == "gmm"
    assert set(fitted) >= {"log_prob", "log_prob_normal", "held_out"}
    assert "log p(z)" in bare("prior", "run", "--kind", "gmm").out
    assert "mixture" in bare("sample", "run", "-n", 5, "--prior", "gmm", "--out", "gmm.npy").err
    assert "N(0, I)" in bare("sample", "run", "-n", 5, "--prior", "normal", "--out", "normal.npy").err
    drawn = [np.load(bare.cwd / f"{name}.npy") for name in ("default", "gmm", "normal")]
    assert len({images.tobytes() for images in drawn}) == 3
    assert "averages of" in bare("evaluate", "run", "--json").json()["latent"]["drawn_from"]


def test_figures_and_the_report(bare: Armoire, copied: Path) -> None:
    before = contents(copied)
    assert bare("figures", "run", "losses").out == "run/figures/losses.png\n"
    assert not (copied / "report.html").exists()
    drawn = bare("figures", "run")
    assert drawn.code == 0, drawn.err
    *figures, report = (bare.cwd / line for line in drawn.out.splitlines())
    assert {"reconstructions", "latent", "latent-by-label", "samples", "losses"} <= {path.stem for path in figures}
    for path in figures:
        with Image.open(path) as image:
            assert min(image.size) >= 300, path.name
    page = report.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 8
    assert "http://" not in page.replace("http://www.w3.org", ""), "the page asks the network for something"
    assert {name: contents(copied)[name] for name in before} == before
    assert leftovers(copied) == []


def test_the_commands_on_images(bare: Armoire, trained: Trained, pictures: Path) -> None:
    image, other = pictures / "disc" / "001.png", pictures / "bar" / "000.png"
    assert bare("reconstruct", trained.run, image, "--out", "again.png").out.endswith("\nagain.png\n")
    assert bare("edit", trained.run, image, "--attribute", "disc", "--strength", 1, "--out", "e.png").code == 0
    assert bare("morph", trained.run, image, other, "--out", "morph.png").code == 0
    assert bare("nearest", trained.run, image).code == 0


def test_encode_writes_a_row_an_image(bare: Armoire, trained: Trained, pictures: Path) -> None:
    made = bare("encode", trained.run, pictures, "--out", "places.parquet")
    assert (made.code, made.out) == (0, "places.parquet\n"), made.err
    table, stored = pq.read_table(bare.cwd / "places.parquet"), pq.read_table(trained.run / "latents.parquet")
    assert table.column_names == ["id", "split", "label", "mean_0", "mean_1", "log_var_0", "log_var_1"]
    assert {str(table.schema.field(name).type) for name in table.column_names[3:]} == {"float"}
    assert table.replace_schema_metadata(None).equals(stored.replace_schema_metadata(None))
    # The latent of an image does not depend on the other images of its folder.
    assert bare("encode", trained.run, pictures / "disc", "--out", "discs.parquet").code == 0
    discs, whole = pq.read_table(bare.cwd / "discs.parquet").to_pylist(), {r["id"]: r for r in table.to_pylist()}
    assert len(discs) == 80
    for row in discs:
        assert row["mean_0"] == pytest.approx(whole[f"disc/{row['id']}"]["mean_0"], abs=1e-4)


def test_doctor(bare: Armoire, copied: Path) -> None:
    found = bare("doctor", "run", "--json").json()
    assert found["run"] == "run"
    assert found["healthy"] == (not found["findings"])
    in_words = bare("doctor", "run")
    assert in_words.code == 0
    for finding in found["findings"]:
        assert all(finding[name] in in_words.out for name in ("name", "evidence", "cause", "fix"))


def test_sweep(bare: Armoire, pictures: Path) -> None:
    words = ["sweep", "images-vae", "--data", pictures, "--beta", "0.1,10", "--epochs", 1, "--samples", 0]
    words += ["--limit", 30, "--size", 16, "--latent", 2, "--out", "s"]
    found = bare(*words, "--json").json()
    assert [row["beta"] for row in found["rows"]] == [0.1, 10]
    assert (bare.cwd / "s" / "sweep.png").read_bytes()[:4] == b"\x89PNG"
    with (bare.cwd / "s" / "sweep.csv").open() as file:
        assert [row["beta"] for row in csv.DictReader(file)] == ["0.1", "10.0"]
    again = bare(*words)
    assert (again.code, again.out.split()[:3]) == (0, ["beta", "rate_nats", "distortion_nats"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--from", "2000*mse", "--size", 64), "--likelihood gaussian --set sigma=1.75271 --beta 1"),
        (("--from", "500*bce", "--size", 32, "--channels", 1), "--likelihood bernoulli --beta 2.048"),
        (("--from", "2000*mse", "--size", 64, "--mse", 0.0249), "beta 123.373"),
        (("--from", "mse + batch/images*kl", "--size", 64, "--batch", 144, "--images", 162770), "sigma=2.33142"),
    ],
)
def test_beta(in_process, words: tuple[object, ...], expected: str) -> None:
    outcome = in_process("beta", *words)
    assert outcome.code == 0, outcome.err
    assert expected in outcome.out
    assert in_process("beta", *words, "--json").json()["flags"] in outcome.out


def test_recipes(in_process) -> None:
    listed = [line.split(maxsplit=1) for line in in_process("recipes").out.splitlines()]
    assert listed == [[name, load_recipe(name).summary] for name in recipe_names()]


def test_check(bare: Armoire) -> None:
    found = bare("check", "--json").json()
    assert {"python", "versions", "devices", "cache", "fashion-mnist"} <= set(found)
    assert found["cache"]["folder"] == bare.env["ARMOIRE_CACHE"]
    assert found["versions"]["torch"] == metadata.version("torch")
    assert "versions torch" in bare("check").out


def test_the_program_as_a_shell_starts_it(armoire: Armoire) -> None:
    assert armoire.typed("--version").out.strip().count(".") == 2
    assert armoire.typed("evaluate", "nowhere").code == 2
