"""Shards: every picture once, the same latents as `encode_set`, whatever dies meanwhile."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from armoire.errors import ArmoireError
from armoire.wardrobe.encoding import divide, encode_shards
from armoire.wardrobe.shards import Job, ShardEncoder, ShardTask, read_shard
from armoire.wardrobe.workers import make_locally


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pictures) -> Path:
    folder = tmp_path_factory.mktemp("data") / "discs"
    folder.mkdir()
    for i, image in enumerate(pictures(30, 16, seed=5)):
        Image.fromarray(image[..., 0]).save(folder / f"{i:02d}.png")
    (folder / "07.png").write_bytes((folder / "07.png").read_bytes()[:60])
    return folder


def latents(out: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    table = pq.read_table(out / "shards").sort_by("row")
    mean, log_var = (
        np.stack(table[n].to_numpy(zero_copy_only=False)) if n in table.column_names else np.empty(0)
        for n in ("mean", "log_var")
    )
    return table["id"].to_pylist(), mean, log_var


def test_shards_hold_what_the_model_says(vae_run, folder: Path, tmp_path: Path, pictures):
    made = encode_shards(vae_run, folder, tmp_path / "out", workers=2, shard_size=8)
    assert (made.shards, made.images, made.rejected) == (4, 29, 1)
    ids, mean, log_var = latents(tmp_path / "out")
    kept = [i for i in range(30) if i != 7]
    assert ids == [f"{i:02d}.png" for i in kept]
    assert log_var.shape == mean.shape
    np.testing.assert_allclose(mean, vae_run.encode(pictures(30, 16, seed=5)[kept]), atol=1e-5)
    with (tmp_path / "out" / "rejected.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == "07.png"
    assert "damaged" in row["reason"]
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (facts["complete"], facts["images"], facts["encoded"], facts["rejected"]) == (True, 30, 29, 1)


def test_it_goes_on_and_makes_only_what_is_missing(ae_run, folder: Path, tmp_path: Path):
    out = tmp_path / "out"
    encode_shards(ae_run, folder, out, workers=1, shard_size=8, dtype="float16")
    shards = sorted((out / "shards").iterdir())
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in shards}
    shards[1].unlink()
    shards[2].write_bytes(shards[2].read_bytes()[:-10])
    (out / "shards" / ".000001.0123abcd.part.parquet").write_bytes(b"half")
    encode_shards(ae_run, folder, out, workers=1, shard_size=8, dtype="float16")
    assert sorted((out / "shards").iterdir()) == shards
    assert [path.read_bytes() for path in shards] == [before[path][0] for path in shards]
    assert [path.stat().st_mtime_ns == before[path][1] for path in shards] == [True, False, False, True]
    assert pq.read_schema(shards[0]).names == ["id", "row", "mean"]
    assert latents(out)[1].dtype == np.float16


def test_another_encoding_is_not_mixed_in(ae_run, vae_run, folder: Path, tmp_path: Path):
    out = tmp_path / "out"
    encode_shards(vae_run, folder, out, workers=1, shard_size=20)
    for run, settings, words in (
        (ae_run, {}, "another run"),
        (vae_run, {"shard_size": 10}, "another --shard-size"),
        (vae_run, {"dtype": "float16"}, "another --dtype"),
    ):
        with pytest.raises(ArmoireError, match=words):
            encode_shards(run, folder, out, **{"shard_size": 20} | settings)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(ArmoireError, match="holds no encoding"):
        encode_shards(vae_run, folder, tmp_path / "full")
    for settings, words in (
        ({"engine": "rya"}, "did you mean 'ray'"),
        ({"dtype": "int8"}, "no dtype"),
        ({"workers": 0}, "--workers"),
        ({"shard_size": 0}, "--shard-size"),
        ({"column": "image"}, "no Parquet"),
    ):
        with pytest.raises(ArmoireError, match=words):
            encode_shards(vae_run, folder, tmp_path / "new", **settings)


class Killed:
    """A part that kills whoever reads it: always, or until a file is there."""

    def __init__(self, part, once: Path | None) -> None:
        self.part, self.once = part, once

    def __len__(self) -> int:
        return len(self.part)

    def pictures(self):
        for i, picture in enumerate(self.part.pictures()):
            if i == 3 and not (self.once and self.once.exists()):
                if self.once:
                    self.once.touch()
                os.kill(os.getpid(), 9)
            yield picture


def job_of(run, out: Path) -> Job:
    return Job(str(run.run.path), str(out), "key", run.run.model_sha256(), run.fit)


def test_a_worker_that_dies_is_replaced(vae_run, folder: Path, tmp_path: Path, recorder):
    division = divide(vae_run, folder, 10)
    shards = [ShardTask(k, 10 * k, part) for k, part in enumerate(division.shards)]
    shards[1] = ShardTask(1, 10, Killed(division.shards[1], tmp_path / "killed"))
    job = job_of(vae_run, tmp_path / "out")
    make_locally(job, shards, 2, recorder)
    assert (tmp_path / "killed").exists()
    assert recorder.done == 30
    assert sum(read_shard(job, shard).rows for shard in shards) == 29


def test_a_shard_that_kills_every_worker_is_named(vae_run, folder: Path, tmp_path: Path, recorder, monkeypatch):
    monkeypatch.setattr("armoire.wardrobe.workers.DEATHS", 2)
    division = divide(vae_run, folder, 30)
    with pytest.raises(ArmoireError, match="2 workers died over shard 0, images 0 to 30"):
        make_locally(job_of(vae_run, tmp_path), [ShardTask(0, 0, Killed(division.shards[0], None))], 1, recorder)


def test_a_run_that_changes_under_way_is_noticed(vae_run, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)  # a worker's; here later tests would have it too
    with pytest.raises(ArmoireError, match="has changed since"):
        ShardEncoder(Job(str(vae_run.run.path), str(tmp_path), "key", "0" * 64, vae_run.fit))
