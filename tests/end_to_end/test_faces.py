"""Faces as a user has them: CelebA in a zip, and the faces that armoire draws."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import Armoire, assert_one_sentence

from armoire.images.sources.drawn_faces import ATTRIBUTES, write_kaggle

QUICK = ("--size", "16", "--latent", "2", "--epochs", "1", "--batch", "8", "--set", "channels=[8, 8]")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kaggle(tmp_path_factory.mktemp("celeba") / "archive.zip", 40, size=(32, 32))


def test_data_describes_the_attributes(armoire: Armoire, archive: Path) -> None:
    found = armoire("data", f"celeba:{archive}", "--json").json()
    assert (found["name"], found["n"], found["height"], found["channels"]) == ("celeba", 40, 64, 3)
    assert found["splits"] == {"train": 32, "valid": 4, "test": 4}
    assert list(found["attributes"]) == list(ATTRIBUTES)
    assert all(set(counts) == {"positive", "negative", "missing"} for counts in found["attributes"].values())
    assert all(sum(counts.values()) == 40 for counts in found["attributes"].values())
    shown = armoire("data", f"celeba:{archive}")
    smiling = found["attributes"]["Smiling"]
    row = next(line for line in shown.out.splitlines() if line.startswith("attribute Smiling"))
    assert row.endswith(f"{smiling['positive']} yes, {smiling['negative']} no, 0 missing")
    assert "attribute Long_Hair" in shown.out


def test_train_encode_and_evaluate(armoire: Armoire, archive: Path) -> None:
    done = armoire("train", "celeba-vae", "--data", f"celeba:{archive}", *QUICK, "--limit", 16, "--out", "run")
    assert done.code == 0, done.err
    assert armoire("encode", "run", f"celeba:{archive}", "--out", "all.parquet").code == 0
    table = pq.read_table(armoire.cwd / "all.parquet")
    assert table.num_rows == 40
    assert {"Smiling", "mean_0", "log_var_1"} <= set(table.column_names)
    found = armoire("evaluate", "run", "--data", f"celeba:{archive}", "--split", "valid", "--json").json()
    assert found["data"]["n"] == 4
    assert found["published_scale"]["reconstruction_loss"] > 0


def test_drawn_faces_need_no_data(armoire: Armoire) -> None:
    done = armoire("train", "drawn-faces-vae", "--data", "drawn-faces:40", *QUICK, "--out", "run")
    assert done.code == 0, done.err
    found = armoire("data", "drawn-faces:40", "--size", 16, "--json").json()
    assert found["splits"] == {"train": 36, "test": 4}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("data celeba:nowhere", ("no data at 'celeba:nowhere'", "celeba:PATH")),
        ("train celeba-vae", ("celeba-vae brings no data", "--data")),
        ("train celeba-vae --data celeba", ("celeba:PATH",)),
        ("data drawn-faces:many", ("not 'many'",)),
        ("data drawn-faces:1", ("not 1",)),
        ("data drawn-fases", ("did you mean 'drawn-faces'?",)),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(armoire: Armoire, words: str, expected: tuple[str, ...]) -> None:
    assert_one_sentence(armoire(*words.split()), *expected)
