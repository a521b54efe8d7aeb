"""Shards: every picture once, the same latents as `encode_set`, whatever dies meanwhile."""

from __future__ import annotations

import csv
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images.source import Request, Source
from armoire.images.sources import open_source
from armoire.wardrobe.encoding import LatentsOfRun, encode_shards
from armoire.wardrobe.sharding import write_locally
from armoire.wardrobe.shards import Job, ShardTask, ShardWriter, read_counts, read_shard, write_shard


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
    ):
        with pytest.raises(ArmoireError, match=words):
            encode_shards(vae_run, folder, tmp_path / "new", **settings)


class Killed(Source):
    """Images of which the fourth kills the process that reads it: always, or until a file exists."""

    def __init__(self, images: Source, once: Path | None) -> None:
        self.name, self.origin, self.digest = images.name, images.origin, images.digest
        self.images, self.once = images, once

    def list_ids(self):
        return self.images.ids

    def read(self, start: int, stop: int):
        for i, image in enumerate(self.images.read(start, stop)):
            if i == 3 and not (self.once and self.once.exists()):
                if self.once:
                    self.once.touch()
                os.kill(os.getpid(), 9)
            yield image

    def part(self, start: int, stop: int):
        raise NotImplementedError


def job_of(run, out: Path) -> Job:
    return Job(str(out), "key", LatentsOfRun.of(run))


def shards_of(folder: Path, size: int) -> list[ShardTask]:
    source = open_source(Request(str(folder)))
    return [ShardTask(k, first, source.part(first, first + size)) for k, first in enumerate(range(0, 30, size))]


@pytest.fixture
def importable(monkeypatch):
    """Workers import this file's classes, as those of any module that is not the main one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(Killed, "__module__", "test_encoding")
    monkeypatch.setitem(sys.modules, "test_encoding", sys.modules[__name__])


@pytest.mark.usefixtures("importable")
def test_a_worker_that_dies_is_replaced(vae_run, folder: Path, tmp_path: Path, recorder):
    shards = shards_of(folder, 10)
    shards[1] = replace(shards[1], images=Killed(shards[1].images, tmp_path / "killed"))
    job = job_of(vae_run, tmp_path / "out")
    write_locally(job, shards, 2, recorder)
    assert (tmp_path / "killed").exists()
    assert recorder.done == 30
    assert sum(read_shard(job, shard).rows for shard in shards) == 29


def test_progress_is_reported_within_a_shard(vae_run, folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    monkeypatch.setattr("armoire.wardrobe.shards.EVALUATION_BATCH", 10)
    first, second = shards_of(folder, 15)
    seen: list[int] = []
    ShardWriter(job_of(vae_run, tmp_path / "a"))(first, seen.append)
    assert seen == [10, 15]
    counts = tmp_path / "counts"
    counts.touch()
    write_shard((job_of(vae_run, tmp_path / "b"), second, str(counts)))
    assert read_counts(str(counts)).tolist() == [0, 15]


@pytest.mark.usefixtures("importable")
def test_a_shard_that_kills_every_worker_is_named(vae_run, folder: Path, tmp_path: Path, recorder, monkeypatch):
    monkeypatch.setattr("armoire.io.workers.DEATHS", 2)
    (shard,) = shards_of(folder, 30)
    with pytest.raises(ArmoireError, match="workers died over shard 0, images 0 to 30"):
        write_locally(job_of(vae_run, tmp_path), [replace(shard, images=Killed(shard.images, None))], 1, recorder)


def test_a_run_that_changes_under_way_is_noticed(vae_run, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)  # a worker's; here later tests would have it too
    with pytest.raises(ArmoireError, match="has changed since"):
        ShardWriter(Job(str(tmp_path), "key", replace(LatentsOfRun.of(vae_run), model_sha256="0" * 64)))
