"""Train, edit, look and share with one command each, from the files that people have: no code, nothing to prepare."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import QUICK, Armoire
from PIL import Image

N = 120


def faces() -> tuple[list[bytes], np.ndarray, dict[str, list[bool]], list[str]]:
    """Discs on grey that are large or not, dark or not, as PNG and as pixels; and their kind."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    facts = {name: (random.random(N) < 0.5).tolist() for name in ("Large", "Dark")}
    pixels = np.full((N, 24, 24, 3), 128, np.uint8)
    for i in range(N):
        inside = np.hypot(y - 12, x - 12) < (9 if facts["Large"][i] else 4) + random.random()
        pixels[i][inside] = (40, 0, 0) if facts["Dark"][i] else (250, 200, 180)
    files = []
    for picture in pixels:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files.append(file.getvalue())
    return files, pixels, facts, [("round", "rounder")[i % 2] for i in range(N)]


def parquet(folder: Path) -> Path:
    files, _, facts, kinds = faces()
    cells = [{"bytes": content, "path": None} for content in files]
    table = {"image": cells, "kind": kinds, **facts, "text": [f"number {i}" for i in range(N)]}
    pq.write_table(pa.table(table), folder / "discs.parquet", row_group_size=50)
    return folder / "discs.parquet"


def folder_with_csv(folder: Path) -> Path:
    files, _, facts, kinds = faces()
    (folder / "discs").mkdir()
    for i, content in enumerate(files):
        (folder / "discs" / f"{i:04d}.png").write_bytes(content)
    with (folder / "discs" / "attributes.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["image_id", "kind", *facts])
        out.writerows([f"{i:04d}.png", kinds[i], *(1 if facts[n][i] else -1 for n in facts)] for i in range(N))
    return folder / "discs"


def npz(folder: Path) -> Path:
    _, pixels, facts, kinds = faces()
    np.savez(folder / "discs.npz", images=pixels, kind=kinds, **facts)
    return folder / "discs.npz"


def tar(folder: Path) -> Path:
    files, _, facts, kinds = faces()
    with tarfile.open(folder / "discs.tar", "w") as archive:
        for i, content in enumerate(files):
            beside = json.dumps({name: values[i] for name, values in facts.items()}).encode()
            for ending, what in (("png", content), ("cls", kinds[i].encode()), ("json", beside)):
                member = tarfile.TarInfo(f"{i:04d}.{ending}")
                member.size = len(what)
                archive.addfile(member, io.BytesIO(what))
    return folder / "discs.tar"


@pytest.mark.parametrize(
    "make", [parquet, folder_with_csv, *(pytest.param(make, marks=pytest.mark.slow) for make in (npz, tar))]
)
def test_train_edit_look_and_share(armoire: Armoire, make) -> None:
    data = make(armoire.cwd)
    described = armoire("data", data, "--size", 24, "--json").json()
    assert described["n"] == N
    assert sorted(described["labels"]) == ["round", "rounder"]
    assert sorted(described["attributes"]) == ["Dark", "Large"]
    trained = armoire("train", "images-vae", "--data", data, *QUICK, "--out", "run")
    assert trained.code == 0, trained.err
    Image.fromarray(faces()[1][0]).save(armoire.cwd / "one.png")
    for name in ("Large", "rounder"):  # an attribute and a class
        edited = armoire("edit", "run", "one.png", "--attribute", name, "--strength", "-2,2", "--out", f"{name}.png")
        assert edited.code == 0, edited.err
        assert (armoire.cwd / f"{name}.png").stat().st_size > 100
    shared = armoire("explore", "run", "--export", "site")
    assert shared.code == 0, shared.err
    manifest = json.loads((armoire.cwd / "site" / "data" / "manifest.json").read_text(encoding="utf-8"))
    assert [kind["name"] for kind in manifest["data"]["classes"]] == ["round", "rounder"]
    assert sorted(manifest["data"]["attributes"]) == ["Dark", "Large"]
    encoded = armoire("encode", "run", data, "--out", "places.parquet")
    assert encoded.code == 0, encoded.err
    assert pq.read_metadata(armoire.cwd / "places.parquet").num_rows == N
    shards = armoire("encode", "run", data, "--out", "shards", "--workers", 1)
    assert shards.code == 0, shards.err
    ids = pq.read_table(armoire.cwd / "shards" / "shards")["id"].to_pylist()
    assert len(set(ids)) == N


def test_pixels_alone_can_be_edited_too(armoire: Armoire) -> None:
    np.save(armoire.cwd / "discs.npy", faces()[1])
    trained = armoire("train", "images-vae", "--data", "discs.npy", *QUICK, "--out", "run")
    assert trained.code == 0, trained.err
    Image.fromarray(faces()[1][0]).save(armoire.cwd / "one.png")
    edited = armoire("edit", "run", "one.png", "--attribute", "axis-1", "--strength", "-2,2", "--out", "edited.png")
    assert edited.code == 0, edited.err
    assert "axis-1, by method principal" in edited.out
    wrong = armoire("edit", "run", "one.png", "--attribute", "Large", "--strength", "1", "--out", "edited.png")
    assert (wrong.code, len(wrong.err.splitlines())) == (2, 1)
    assert "axis-1 to axis-" in wrong.err
