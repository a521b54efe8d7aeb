"""Train, edit and encode with one command each, from the files that people have, some of them broken."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import KINDS, QUICK, Armoire, draw_picture, leftovers
from PIL import Image

from armoire.images.sources.drawn_faces import write_kaggle

N = 120
# Files of a folder: why they are rejected.
BROKEN = {
    "disc/truncated.png": "damaged",
    "bar/empty.png": "empty file",
    "square/wrong header.png": "not a JPEG, PNG",
    "naïve ünder/words.png": "not a JPEG, PNG",
}


def discs() -> tuple[list[bytes], np.ndarray, dict[str, list[bool]], list[str]]:
    """Discs on grey that are large or not, dark or not, as PNG and as pixels; and their kind."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    attributes = {name: (random.random(N) < 0.5).tolist() for name in ("Large", "Dark")}
    pixels = np.full((N, 24, 24, 3), 128, np.uint8)
    for i in range(N):
        inside = np.hypot(y - 12, x - 12) < (9 if attributes["Large"][i] else 4) + random.random()
        pixels[i][inside] = (40, 0, 0) if attributes["Dark"][i] else (250, 200, 180)
    files = []
    for picture in pixels:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files.append(file.getvalue())
    return files, pixels, attributes, [("round", "rounder")[i % 2] for i in range(N)]


def parquet(folder: Path) -> Path:
    files, _, attributes, kinds = discs()
    cells = [{"bytes": content, "path": None} for content in files]
    table = {"image": cells, "kind": kinds, **attributes, "text": [f"number {i}" for i in range(N)]}
    pq.write_table(pa.table(table), folder / "discs.parquet", row_group_size=50)
    return folder / "discs.parquet"


def folder_with_csv(folder: Path) -> Path:
    files, _, attributes, kinds = discs()
    (folder / "discs").mkdir()
    for i, content in enumerate(files):
        (folder / "discs" / f"{i:04d}.png").write_bytes(content)
    with (folder / "discs" / "attributes.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["image_id", "kind", *attributes])
        rows = zip(kinds, *attributes.values(), strict=True)
        out.writerows([f"{i:04d}.png", kind, *(1 if has else -1 for has in row)] for i, (kind, *row) in enumerate(rows))
    return folder / "discs"


@pytest.mark.parametrize("make", [parquet, folder_with_csv])
def test_train_edit_and_encode(armoire: Armoire, make) -> None:
    data = make(armoire.cwd)
    described = armoire("data", data, "--size", 24, "--json").json()
    assert (described["n"], sorted(described["labels"])) == (N, ["round", "rounder"])
    assert sorted(described["attributes"]) == ["Dark", "Large"]
    trained = armoire("train", "images-vae", "--data", data, *QUICK, "--out", "run")
    assert trained.code == 0, trained.err
    Image.fromarray(discs()[1][0]).save(armoire.cwd / "one.png")
    for name in ("Large", "rounder", "axis-1"):  # an attribute, a class, a principal axis
        edited = armoire("edit", "run", "one.png", "--attribute", name, "--strength", "-2,2", "--out", f"{name}.png")
        assert edited.code == 0, edited.err
    encoded = armoire("encode", "run", data, "--out", "places.parquet")
    assert encoded.code == 0, encoded.err
    assert pq.read_metadata(armoire.cwd / "places.parquet").num_rows == N
    shards = armoire("encode", "run", data, "--out", "shards", "--workers", 1)
    assert shards.code == 0, shards.err
    assert len(set(pq.read_table(armoire.cwd / "shards" / "shards")["id"].to_pylist())) == N


def test_celeba_in_a_zip(armoire: Armoire) -> None:
    archive = f"celeba:{write_kaggle(armoire.cwd / 'archive.zip', 40, size=(32, 32))}"
    shown = armoire("data", archive).out
    assert "splits train" in shown and "attribute Smiling" in shown
    done = armoire("train", "celeba-vae", "--data", archive, *QUICK, "--limit", 16, "--out", "run")
    assert done.code == 0, done.err
    found = armoire("evaluate", "run", "--split", "valid", "--json").json()
    assert found["data"]["n"] == 4
    assert found["published_scale"]["reconstruction_loss"] > 0


@pytest.fixture
def messy(armoire: Armoire) -> Path:
    """A folder of RGBA pictures of all sizes in three sub-folders, some of them broken."""
    folder, random = armoire.cwd / "found on a disk", np.random.default_rng(1)
    for i in range(N):
        width, height = (int(side) for side in random.integers(9, 70, 2))
        kind = KINDS[i % 3]
        draw_picture(folder / kind / f"{i:03d}.png", kind, (width, height), random, "LA" if i % 50 == 0 else "RGBA")
    (folder / "naïve ünder").mkdir()
    sound = (folder / "bar" / "000.png").read_bytes()
    for name, content in zip(BROKEN, (sound[:-30], b"", bytes(8) + sound[8:], b"words"), strict=True):
        (folder / name).write_bytes(content)
    (folder / "README.txt").write_text("next to the pictures")
    (folder / ".DS_Store").write_bytes(b"hidden")
    return folder


def test_a_folder_nobody_prepared(armoire: Armoire, messy: Path) -> None:
    """Without a stdin to ask on."""
    quick = ("--size", 32, "--latent", 8, "--epochs", 1, "--set", "channels=[8, 16, 16]")
    made = armoire("train", "images-vae", "--data", messy, *quick)
    assert made.code == 0, made.err
    line = next(line for line in made.err.splitlines() if "could not be read" in line)
    assert f"{N} images of {N + len(BROKEN) + 2} files; {len(BROKEN)} could not be read" in line
    with (armoire.cwd / "runs" / "images-vae" / "rejected.csv").open(newline="", encoding="utf-8") as file:
        named = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    assert set(named) == set(BROKEN)
    assert all(reason in named[name] for name, reason in BROKEN.items())
    latents = pq.read_table(armoire.cwd / "runs" / "images-vae" / "latents.parquet")
    pairs = {(row["id"].split("/")[0], row["label"]) for row in latents.select(["id", "label"]).to_pylist()}
    assert (len(latents), sorted(pairs)) == (N, [(kind, label) for label, kind in enumerate(sorted(KINDS))])
    described = armoire("data", messy, "--json").json()
    assert (described["n"], described["rejected"], described["ignored"]) == (N, len(BROKEN), 2)
    # A class whose images are all damaged is no class.
    assert described["labels"] == dict.fromkeys(sorted(KINDS), N // 3)
    with zipfile.ZipFile(armoire.cwd / "all.zip", "w") as archive:
        for path in sorted(messy.rglob("*.png")):
            archive.write(path, path.relative_to(messy))
    zipped = armoire("data", "all.zip", "--json").json()
    for key in ("n", "height", "channels", "splits", "labels", "rejected", "fingerprint"):
        assert zipped[key] == described[key], key
    assert leftovers(armoire.cwd) == []
    assert leftovers(Path(armoire.env["ARMOIRE_CACHE"])) == []
