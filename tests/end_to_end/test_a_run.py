"""What a training leaves behind, and what every verb makes of it."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import KINDS, QUICK, VERBS, Armoire, Trained, assert_same_model, contents, leftovers
from PIL import Image
from safetensors import safe_open

PIXELS = 16 * 16 * 3
HISTORY = [
    "epoch",
    "step",
    *(f"{split}_{what}_nats" for split in ("train", "test") for what in ("distortion", "rate", "objective")),
    "learning_rate",
    "seconds",
    "images_per_second",
]


def test_train_prints_one_json_object(trained: Trained) -> None:
    found = trained.outcome.json()
    assert set(found) == {"run", "seconds", "last_epoch"}
    assert found["run"] == "run"
    assert found["last_epoch"]["epoch"] == 2
    assert list(found["last_epoch"]) == HISTORY


def test_a_run_holds_everything(trained: Trained) -> None:
    names = {path.name for path in trained.run.iterdir()}
    files = {"recipe.toml", "model.safetensors", "history.csv", "latents.parquet", "error_percentiles.json"}
    assert names == files | {"checkpoints", "previews"}
    checkpoints = sorted(path.name for path in (trained.run / "checkpoints").iterdir())
    assert checkpoints == ["best.safetensors", "step-000000007.safetensors", "step-000000014.safetensors"]
    assert [path.name for path in sorted((trained.run / "previews").iterdir())] == ["epoch-0001.png", "epoch-0002.png"]
    assert leftovers(trained.run) == []


def test_history_adds_up(trained: Trained) -> None:
    rows = list(csv.DictReader(io.StringIO((trained.run / "history.csv").read_text())))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == HISTORY
    for row in rows:
        for split in ("train", "test"):
            distortion, rate, objective = (
                float(row[f"{split}_{what}_nats"]) for what in ("distortion", "rate", "objective")
            )
            assert objective == pytest.approx(distortion + rate)
            assert rate > 0
    assert float(rows[1]["train_objective_nats"]) < float(rows[0]["train_objective_nats"])


def test_weights_say_where_they_come_from(trained: Trained) -> None:
    with safe_open(trained.run / "model.safetensors", framework="np") as opened:
        header = opened.metadata()
    assert header["format"] == "armoire-model-1"
    assert header["seed"] == "0"
    assert (header["step"], float(header["epoch"])) == ("14", 2.0)
    assert len(header["data_fingerprint"]) == 64
    assert "nats per image" in header["units"]
    assert {"armoire_version", "git_commit", "torch_version", "data", "recipe"} <= set(header)


def test_its_recipe_trains_the_same_again(trained: Trained, armoire: Armoire) -> None:
    again = armoire("train", trained.run / "recipe.toml", "--out", "again")
    assert again.code == 0, again.err
    first, second = (contents(run) for run in (trained.run, armoire.cwd / "again"))
    assert first["recipe.toml"] == second["recipe.toml"]
    assert_same_model(trained.run, armoire.cwd / "again")
    assert first["latents.parquet"] == second["latents.parquet"]
    commands = ("sample again -n 30 --out samples.png", "explore again", "doctor again", "figures again")
    assert [line.rpartition("armoire ")[2] for line in again.out.splitlines()[-4:]] == list(commands)
    first_line = next(line for line in again.err.splitlines() if "training images" in line)
    assert "14 steps" in first_line
    assert "14 steps are too few" in again.err


@pytest.fixture(scope="module")
def evaluated(trained: Trained, module_armoire: Armoire) -> dict:
    outcomes = [module_armoire("evaluate", trained.run, "--json") for _ in range(2)]
    assert outcomes[0].out == outcomes[1].out, "measuring twice gives other bytes"
    return outcomes[0].json()


@pytest.fixture(scope="module")
def module_armoire(tmp_path_factory: pytest.TempPathFactory, env: dict, server: object) -> Armoire:
    return Armoire(tmp_path_factory.mktemp("verbs"), env, server)  # type: ignore[arg-type]


def test_evaluate_has_the_keys_of_the_contract(evaluated: dict) -> None:
    assert {"data", "reconstruction", "elbo", "published_scale", "latent"} <= set(evaluated)
    assert {"name", "split", "n"} <= set(evaluated["data"])
    assert set(evaluated["reconstruction"]) == {"bce", "mse", "psnr_db", "ssim", "explained"}
    assert set(evaluated["elbo"]) == {"distortion_nats", "rate_nats", "objective_nats"}
    assert {"dimensions", "active_units", "ks_max", "ks_mean"} <= set(evaluated["latent"])
    assert evaluated["published_scale"] is None


def test_evaluate_is_consistent(evaluated: dict, trained: Trained) -> None:
    assert (evaluated["data"]["name"], evaluated["data"]["split"]) == ("pictures", "test")
    errors, elbo, latent = evaluated["reconstruction"], evaluated["elbo"], evaluated["latent"]
    assert 0 < errors["mse"] < 1
    assert errors["bce"] > 0
    assert -1 <= errors["ssim"] <= 1
    assert errors["psnr_db"] == pytest.approx(-10 * math.log10(errors["mse"]))
    assert elbo["objective_nats"] == pytest.approx(elbo["distortion_nats"] + elbo["rate_nats"])
    assert latent["dimensions"] == 2
    assert 0 <= latent["active_units"] <= 2
    assert 0 < latent["ks_mean"] <= latent["ks_max"] <= 1
    last = trained.outcome.json()["last_epoch"]
    for what in ("distortion", "rate", "objective"):
        assert elbo[f"{what}_nats"] == pytest.approx(last[f"test_{what}_nats"], rel=1e-5), (
            "training measures something else"
        )


def test_evaluate_shares_out_the_plane(evaluated: dict) -> None:
    areas = evaluated["latent"]["areas"]
    assert set(areas["area_share"]) == set(areas["data_share"]) == set(KINDS)
    assert sum(areas["area_share"].values()) == pytest.approx(1)
    assert sum(areas["data_share"].values()) == pytest.approx(1)
    mismatch = sum(abs(areas["area_share"][kind] - areas["data_share"][kind]) for kind in KINDS) / 2
    assert areas["area_mismatch"] == pytest.approx(mismatch)
    assert 0 <= areas["empty"] <= 1


def test_evaluate_reads_well_without_json(trained: Trained, armoire: Armoire) -> None:
    table = armoire("evaluate", trained.run, "--split", "train")
    assert table.code == 0, table.err
    assert "train" in table.out
    assert "reconstruction mse" in table.out
    assert max(map(len, table.out.splitlines())) < 200


def test_data_is_read_in_once(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    """Training, measuring and describing share one store."""
    assert armoire("evaluate", trained.run, "--json").code == 0
    assert armoire("data", pictures, "--size", "16").code == 0
    stores = [path.name for path in (Path(armoire.env["ARMOIRE_CACHE"]) / "stores").glob("pictures-*")]
    sizes = [
        np.load(armoire.env["ARMOIRE_CACHE"] + f"/stores/{name}/images.npy", mmap_mode="r").shape for name in stores
    ]
    assert sum(shape == (240, 16, 16, 3) for shape in sizes) == 1, stores


def test_sample_to_every_kind_of_place(trained: Trained, armoire: Armoire) -> None:
    for out in ("s.npy", "s.png", "folder", "again.npy", "other.npy"):
        seed = 8 if out == "other.npy" else 7
        made = armoire("sample", trained.run, "-n", 5, "--seed", seed, "--out", out)
        assert (made.code, made.out) == (0, f"{out}\n"), made.err
    array = np.load(armoire.cwd / "s.npy", allow_pickle=False)
    assert (array.shape, array.dtype) == ((5, 16, 16, 3), np.uint8)
    assert (armoire.cwd / "s.npy").read_bytes() == (armoire.cwd / "again.npy").read_bytes()
    assert (armoire.cwd / "s.npy").read_bytes() != (armoire.cwd / "other.npy").read_bytes()
    files = sorted((armoire.cwd / "folder").iterdir())
    assert [file.name for file in files] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert (np.stack([np.asarray(Image.open(file)) for file in files]) == array).all()
    with Image.open(armoire.cwd / "s.png") as sheet:
        assert sheet.mode == "RGB"
        assert sheet.height < sheet.width
    assert leftovers(armoire.cwd) == []


def test_sample_from_either_prior(trained: Trained, armoire: Armoire) -> None:
    for prior in ("normal", "box"):
        made = armoire("sample", trained.run, "-n", 4, "--prior", prior, "--out", f"{prior}.npy")
        assert made.code == 0, made.err
    assert armoire("sample", trained.run, "-n", 4, "--out", "default.npy").code == 0
    normal, box, default = (np.load(armoire.cwd / f"{name}.npy") for name in ("normal", "box", "default"))
    assert (default == normal).all()
    assert (box != normal).any()


def test_reconstruct_puts_originals_above(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    files = sorted((pictures / "disc").iterdir())[:3]
    made = armoire("reconstruct", trained.run, *files, "--out", "pairs.png")
    assert made.code == 0, made.err
    lines = made.out.splitlines()
    assert lines[-1] == "pairs.png"
    assert all(str(file) in line for file, line in zip(files, lines, strict=False))
    scale, gap = 128 // 16, 2
    with Image.open(armoire.cwd / "pairs.png") as sheet:
        assert sheet.size == ((3 * (16 + gap) - gap) * scale, (2 * (16 + gap) - gap) * scale)
        small = np.asarray(sheet.resize((sheet.width // scale, sheet.height // scale), Image.Resampling.NEAREST))
    original, again = small[:16, :16].astype(float), small[16 + gap :, :16].astype(float)
    assert float(lines[0].split()[-1]) == pytest.approx(np.square((original - again) / 255).mean(), abs=6e-5)


def test_encode_writes_a_row_an_image(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    made = armoire("encode", trained.run, pictures, "--out", "places.parquet")
    assert (made.code, made.out) == (0, "places.parquet\n"), made.err
    table, kept = pq.read_table(armoire.cwd / "places.parquet"), pq.read_table(trained.run / "latents.parquet")
    assert table.column_names == ["id", "split", "label", "mean_0", "mean_1", "log_var_0", "log_var_1"]
    assert table.num_rows == 240
    assert {str(table.schema.field(name).type) for name in table.column_names[3:]} == {"float"}
    assert set(table["split"].to_pylist()) == {"train", "test"}
    assert all(
        KINDS[label] == name.split("/")[0]
        for name, label in zip(*(table[c].to_pylist() for c in ("id", "label")), strict=True)
    )
    assert table.replace_schema_metadata(None).equals(kept.replace_schema_metadata(None))


def test_a_subset_is_encoded_as_the_whole_was(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    """A picture's place depends on the picture and the run, not on what else lies in its folder."""
    made = armoire("encode", trained.run, pictures / "disc", "--out", "discs.parquet")
    assert made.code == 0, made.err
    discs = pq.read_table(armoire.cwd / "discs.parquet").to_pylist()
    whole = {row["id"]: row for row in pq.read_table(trained.run / "latents.parquet").to_pylist()}
    assert len(discs) == 80
    for row in discs:
        assert row["mean_0"] == pytest.approx(whole[f"disc/{row['id']}"]["mean_0"], abs=1e-4)


def test_data_describes(armoire: Armoire, pictures: Path) -> None:
    found = armoire("data", pictures, "--size", 16, "--json").json()
    assert (found["n"], found["height"], found["width"], found["channels"]) == (240, 16, 16, 3)
    assert found["labels"] == {"bar": 80, "disc": 80, "square": 80}
    assert sum(found["splits"].values()) == 240
    assert 0 < found["splits"]["test"] < 60
    assert (found["rejected"], found["ignored"], found["attributes"]) == (0, 0, {})
    padded = armoire("data", pictures, "--size", 24, "--json").json()
    assert (padded["height"], padded["fit"]["size"]) == (32, 24)


def test_recipes_round_trip(armoire: Armoire) -> None:
    listed = armoire("recipes")
    names = [line.split()[0] for line in listed.out.splitlines()]
    faces = ["celeba-vae", "celeba-vae-32", "drawn-faces-vae", "faces-best", "faces-vae"]
    fashion = [f"fashion-{kind}" for kind in ("ae", "ae-l1", "ae-rmse", "best", "dae", "vae")]
    assert names == [*faces, *fashion, "images-vae"]
    assert all(len(line.split()) > 3 for line in listed.out.splitlines())
    for name in names:
        text = armoire("recipes", name).out
        assert tomllib.loads(text)["name"] == name
        (armoire.cwd / f"{name}.toml").write_text(text)
        assert armoire("recipes", f"{name}.toml").out == text


def test_a_printed_recipe_trains(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    (armoire.cwd / "mine.toml").write_text(armoire("recipes", "images-vae").out)
    made = armoire("train", "mine.toml", "--data", pictures, *QUICK, "--out", "mine")
    assert made.code == 0, made.err
    assert_same_model(armoire.cwd / "mine", trained.run)


def test_another_seed_gives_other_weights(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    made = armoire("train", "images-vae", "--data", pictures, *QUICK, "--seed", 1)
    assert made.code == 0, made.err
    assert "runs/images-vae" in made.out
    with pytest.raises(AssertionError, match="differ"):
        assert_same_model(armoire.cwd / "runs" / "images-vae", trained.run)


def test_settings_behind_set_and_behind_flags_are_the_same(trained: Trained, armoire: Armoire, pictures: Path) -> None:
    settings = ("size=16", "latent=2", "epochs=2", "batch=32", "channels=[8, 8]")
    given = [word for setting in settings for word in ("--set", setting)]
    made = armoire("train", "images-vae", "--data", pictures, *given, "--out", "run")
    assert made.code == 0, made.err
    assert (armoire.cwd / "run" / "recipe.toml").read_bytes() == (trained.run / "recipe.toml").read_bytes()
    assert_same_model(armoire.cwd / "run", trained.run)


def test_check_tells_what_is_here(armoire: Armoire) -> None:
    found = armoire("check", "--json").json()
    assert {"python", "versions", "devices", "cache", "fashion-mnist"} <= set(found)
    assert found["cache"]["folder"] == armoire.env["ARMOIRE_CACHE"]
    assert found["cache"]["megabytes"] >= 0
    assert found["versions"]["torch"] == metadata.version("torch")
    assert "versions torch" in armoire("check").out


def test_every_verb_has_help_with_an_example(armoire: Armoire) -> None:
    overview = armoire("--help")
    assert overview.code == 0
    for verb in VERBS:
        assert f" {verb} " in overview.out
        text = armoire(verb, "--help")
        assert (text.code, text.err) == (0, ""), verb
        example = text.out.partition("Example: ")[2].strip()
        words = shlex.split(example)
        assert words[:2] == ["armoire", verb]
        assert all(word in text.out.partition("Example: ")[0] for word in words if word.startswith("-"))
        assert not [word for word in ("None", "NoneType", "Optional", "Literal") if word in text.out], verb


def test_the_program_itself(armoire: Armoire) -> None:
    """As a shell starts it: a fresh Python, help before torch, and a version."""
    assert armoire.typed("--version").out.strip().count(".") == 2
    heavy = armoire.typed("recipes", "--help")
    assert heavy.code == 0
    assert "Example: armoire recipes fashion-vae" in heavy.out
    assert armoire.typed("evaluate", "nowhere").code == 2


def test_stdout_is_json_alone(trained: Trained) -> None:
    assert trained.outcome.out.lstrip().startswith("{")
    assert json.loads(trained.outcome.out)
    assert "epoch 2/2" in trained.outcome.err


def test_a_plain_autoencoder(armoire: Armoire, pictures: Path) -> None:
    """A published recipe on other pictures: points, no rate, drawn from the box, and a published scale."""
    words = ("--size", 16, "--epochs", 1, "--set", "channels=[8, 8]", "--out", "run")
    made = armoire("train", "fashion-ae", "--data", pictures, *words)
    assert made.code == 0, made.err
    found = armoire("evaluate", "run", "--json").json()
    assert found["elbo"]["rate_nats"] == 0
    assert found["elbo"]["objective_nats"] == found["elbo"]["distortion_nats"]
    assert found["elbo"]["distortion_nats"] == pytest.approx(PIXELS * found["reconstruction"]["bce"], rel=1e-5)
    book = found["published_scale"]
    assert book == {"reconstruction_loss": book["total_loss"], "kl_loss": 0, "total_loss": book["total_loss"]}
    assert book["total_loss"] == pytest.approx(found["reconstruction"]["bce"], rel=1e-5)
    columns = pq.read_schema(armoire.cwd / "run" / "latents.parquet").names
    assert columns == ["id", "split", "label", "mean_0", "mean_1"]
    for words in ((), ("--prior", "box")):
        assert armoire("sample", "run", "-n", 3, *words, "--out", f"{len(words)}.npy").code == 0
    assert (armoire.cwd / "0.npy").read_bytes() == (armoire.cwd / "2.npy").read_bytes()
