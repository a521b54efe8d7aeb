"""The published recipes on the real data, with few images."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import FASHION, Armoire

pytestmark = pytest.mark.skipif(
    not FASHION.is_dir(), reason=f"Fashion-MNIST is not in {FASHION}: apt-get install dataset-fashion-mnist"
)
PIXELS = 32 * 32
CLASSES = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}
# beta as each recipe states it
RECIPES = {"fashion-vae": 2.048}


@pytest.fixture(scope="module", params=RECIPES)
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: object
) -> tuple[Armoire, str]:
    armoire = Armoire(tmp_path_factory.mktemp("fashion"), env, server)  # type: ignore[arg-type]
    made = armoire("train", request.param, "--epochs", 1, "--limit", 600)
    assert made.code == 0, made.err
    assert re.search(rf"^next +armoire sample runs/{request.param} ", made.out, flags=re.MULTILINE)
    return armoire, request.param


def test_measures_on_the_whole_test_set(run: tuple[Armoire, str]) -> None:
    armoire, recipe = run
    found = armoire("evaluate", f"runs/{recipe}", "--json").json()
    assert {key: found["data"][key] for key in ("name", "split", "n")} == {
        "name": "fashion-mnist",
        "split": "test",
        "n": 10_000,
    }
    elbo, book, errors = found["elbo"], found["published_scale"], found["reconstruction"]
    beta = RECIPES[recipe]
    assert elbo["objective_nats"] == pytest.approx(elbo["distortion_nats"] + beta * elbo["rate_nats"])
    assert book["total_loss"] == pytest.approx(book["reconstruction_loss"] + book["kl_loss"])
    assert book["kl_loss"] == pytest.approx(elbo["rate_nats"])
    weight = 500 if recipe == "fashion-vae" else 1
    assert book["reconstruction_loss"] == pytest.approx(weight * elbo["distortion_nats"] / PIXELS, rel=1e-5)
    if recipe == "fashion-ae":
        assert elbo["rate_nats"] == 0
        assert errors["bce"] == pytest.approx(book["reconstruction_loss"], rel=1e-4)
    else:
        assert elbo["rate_nats"] > 0.1
    assert 0.2 < errors["bce"] < 0.69, "worse than a grey picture, or too good to be true"
    areas = found["latent"]["areas"]
    assert set(areas["area_share"]) == CLASSES
    assert all(share == pytest.approx(0.1) for share in areas["data_share"].values())


def test_keeps_the_latents_of_what_it_saw(run: tuple[Armoire, str]) -> None:
    armoire, recipe = run
    table = pq.read_table(armoire.cwd / "runs" / recipe / "latents.parquet")
    assert table["split"].value_counts().to_pylist() == [
        {"values": "train", "counts": 600},
        {"values": "test", "counts": 10_000},
    ]
    assert ("log_var_0" in table.column_names) == (recipe == "fashion-vae")
    assert set(table["label"].to_pylist()) == set(range(10))


def test_history_has_the_published_scale(run: tuple[Armoire, str]) -> None:
    armoire, recipe = run
    with (armoire.cwd / "runs" / recipe / "history.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    total = float(row["test_published_reconstruction_loss"]) + float(row["test_published_kl_loss"])
    assert float(row["test_published_total_loss"]) == pytest.approx(total)


def test_data_describes_it(armoire: Armoire) -> None:
    found = armoire("data", "fashion-mnist", "--json").json()
    assert (found["n"], found["height"], found["width"], found["channels"]) == (70_000, 32, 32, 1)
    assert found["splits"] == {"train": 60_000, "test": 10_000}
    assert found["labels"] == dict.fromkeys(found["labels"], 7_000)
    assert set(found["labels"]) == CLASSES
    named = armoire("data", f"fashion-mnist:{FASHION}", "--json").json()
    assert named["fingerprint"] == found["fingerprint"]
    assert Path(armoire.env["ARMOIRE_CACHE"], "stores").is_dir()
