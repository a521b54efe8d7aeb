"""A folder of small RGBA pictures of all sizes, some of them broken, trains without a question."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import KINDS, Armoire, assert_one_sentence, draw_picture, leftovers

BROKEN = {
    "disc/truncated.png": "damaged",
    "disc/half.png": "damaged",
    "bar/empty.png": "empty file",
    "square/words.png": "not a JPEG, PNG",
    "square/wrong header.png": "not a JPEG, PNG",
    "naïve ünder/also words.png": "not a JPEG, PNG",
}
GOOD = 600


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("messy") / "found on a disk"
    random = np.random.default_rng(1)
    for i in range(GOOD):
        kind = KINDS[i % 3]
        width, height = (int(side) for side in random.integers(9, 70, 2))
        draw_picture(folder / kind / f"{i:03d}.png", kind, (width, height), random, "LA" if i % 50 == 0 else "RGBA")
    sound = (folder / "bar" / "000.png").read_bytes()
    (folder / "disc" / "truncated.png").write_bytes(sound[:-30])
    (folder / "disc" / "half.png").write_bytes(sound[: len(sound) // 2])
    (folder / "bar" / "empty.png").write_bytes(b"")
    (folder / "square" / "words.png").write_text("this is no picture")
    (folder / "square" / "wrong header.png").write_bytes(bytes(8) + sound[8:])
    (folder / "naïve ünder").mkdir()
    (folder / "naïve ünder" / "also words.png").write_text("nor is this")
    (folder / "README.txt").write_text("beside the pictures")
    (folder / ".DS_Store").write_bytes(b"hidden")
    return folder


@pytest.fixture(scope="module")
def outcome(messy: Path, tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: object) -> tuple:
    """The whole of it in a fresh Python, without a stdin to ask on."""
    armoire = Armoire(tmp_path_factory.mktemp("trained"), env, server)  # type: ignore[arg-type]
    quick = ("--size", 64, "--latent", 32, "--epochs", 1, "--set", "channels=[8, 16, 32, 32]")
    return armoire, armoire.typed("train", "images-vae", "--data", messy, *quick)


def test_it_trains(outcome: tuple[Armoire, object]) -> None:
    armoire, made = outcome
    assert made.code == 0, made.err
    run = armoire.cwd / "runs" / "images-vae"
    assert {"recipe.toml", "model.safetensors", "history.csv", "latents.parquet"} <= {p.name for p in run.iterdir()}
    assert leftovers(armoire.cwd) == []
    assert leftovers(Path(armoire.env["ARMOIRE_CACHE"])) == []


def test_the_broken_ones_are_counted_and_named(outcome: tuple[Armoire, object]) -> None:
    _, made = outcome
    line = next(line for line in made.err.splitlines() if "rejected.csv" in line)
    assert f"{len(BROKEN)} of {GOOD + len(BROKEN)} files could not be read" in line
    listing = Path(line.rpartition(" in ")[2])
    with listing.open(newline="", encoding="utf-8") as file:
        named = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    assert set(named) == set(BROKEN)
    for name, reason in BROKEN.items():
        assert reason in named[name]


def test_labels_come_from_the_sub_folders(outcome: tuple[Armoire, object]) -> None:
    armoire, _ = outcome
    table = pq.read_table(armoire.cwd / "runs" / "images-vae" / "latents.parquet")
    assert table.num_rows == GOOD
    assert table.column_names[:3] == ["id", "split", "label"]
    assert len([name for name in table.column_names if name.startswith("mean_")]) == 32
    pairs = {(row["id"].split("/")[0], row["label"]) for row in table.select(["id", "label"]).to_pylist()}
    assert sorted(pairs) == [(kind, label) for label, kind in enumerate(sorted(KINDS))]
    values = np.stack([table[f"mean_{k}"].to_numpy() for k in range(32)])
    assert np.isfinite(values).all()


def test_it_is_described(outcome: tuple[Armoire, object], messy: Path) -> None:
    armoire, _ = outcome
    found = armoire("data", messy, "--json").json()
    assert (found["n"], found["rejected"], found["ignored"]) == (GOOD, len(BROKEN), 1)
    assert (found["height"], found["width"], found["channels"]) == (64, 64, 3)
    # A class whose images are all damaged is no class.
    assert found["labels"] == dict.fromkeys(sorted(KINDS), GOOD // 3)


def test_a_zip_of_it_holds_the_same(outcome: tuple[Armoire, object], messy: Path) -> None:
    armoire, _ = outcome
    with zipfile.ZipFile(armoire.cwd / "all.zip", "w") as archive:
        for path in sorted(messy.rglob("*.png")):
            archive.write(path, path.relative_to(messy))
    zipped = armoire("data", "all.zip", "--json").json()
    folder = armoire("data", messy, "--json").json()
    for key in ("n", "height", "channels", "splits", "labels", "rejected", "fingerprint"):
        assert zipped[key] == folder[key], key


def test_transparency_shows_the_background(armoire: Armoire, messy: Path) -> None:
    for background, corner in (("white", 255), ("#000000", 0)):
        found = armoire("data", messy, "--size", 16, "--background", background, "--json").json()
        stores = (Path(armoire.env["ARMOIRE_CACHE"]) / "stores").glob("found on a disk-*")
        store = next(s for s in stores if found["fingerprint"] in (s / "info.json").read_text())
        images = np.load(store / "images.npy")
        assert images.shape == (GOOD, 16, 16, 3)
        assert (images[:, 15, 15] == corner).mean() > 0.9


def test_only_broken_pictures(armoire: Armoire, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    (folder / "b.jpg").write_text("words")
    outcome = armoire("train", "images-vae", "--data", folder)
    assert_one_sentence(outcome, "0 readable images", "a.png", "empty file")
    assert list(armoire.cwd.iterdir()) == []
    assert leftovers(Path(armoire.env["ARMOIRE_CACHE"])) == []
