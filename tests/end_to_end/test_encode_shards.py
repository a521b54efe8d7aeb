"""`armoire encode --out FOLDER` as a user types it, with both engines, and with what kills them."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import FASHION, Armoire, Trained, assert_one_sentence
from PIL import Image

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs armoire[ray]")
IMAGES = 60_000
KILL_SECONDS = 7  # a quarter of what the whole takes on two cores, and longer than starting takes


def test_a_folder_of_shards(armoire: Armoire, trained: Trained, pictures: Path) -> None:
    made = armoire("encode", trained.run, pictures, "--out", "made", "--shard-size", 100, "--workers", 2)
    assert made.code == 0, made.err
    assert made.out == "made\n"
    table = pq.read_table(armoire.cwd / "made" / "shards")
    assert table.column_names == ["id", "row", "mean", "log_var"]
    assert sorted(table["id"].to_pylist()) == sorted(
        p.relative_to(pictures).as_posix() for p in pictures.rglob("*.png")
    )
    one = armoire("encode", trained.run, pictures, "--out", "made.parquet")
    assert one.code == 0, one.err
    wide = pq.read_table(armoire.cwd / "made.parquet").sort_by("id").to_pydict()
    there = dict(zip(table["id"].to_pylist(), table["mean"].to_pylist(), strict=True))
    means = [(wide["mean_0"][i], wide["mean_1"][i]) for i in range(240)]
    np.testing.assert_allclose([there[name] for name in wide["id"]], means, atol=1e-5)


def test_a_packed_set(armoire: Armoire, trained: Trained) -> None:
    made = armoire("encode", trained.run, "drawn-faces:60", "--out", "made", "--workers", 1)
    assert made.code == 0, made.err
    assert sorted(pq.read_table(armoire.cwd / "made" / "shards")["id"].to_pylist()) == [f"{i:06d}" for i in range(60)]


def test_what_the_user_can_mend(armoire: Armoire, trained: Trained, pictures: Path) -> None:
    for words, expected in {
        ("--out", "a.parquet", "--engine", "ray"): "--engine is for shards",
        ("--out", "a", "--engine", "spark"): "no engine 'spark'",
        ("--out", "/proc/a"): "cannot write",
    }.items():
        assert_one_sentence(armoire("encode", trained.run, pictures, *words), expected)
    assert_one_sentence(armoire("encode", trained.run, "nowhere", "--out", "a"), "no data at 'nowhere'")
    assert_one_sentence(armoire("encode", trained.run, "a.parquet", "--out", "b.parquet"), "no data at 'a.parquet'")


@needs_ray
@pytest.mark.slow
def test_ray_gives_the_same_shards(armoire: Armoire, trained: Trained, pictures: Path) -> None:
    words = ("encode", trained.run, pictures, "--shard-size", 60, "--workers", 2)
    assert armoire(*words, "--out", "local").code == 0
    made = armoire.typed(*words, "--out", "ray", "--engine", "ray")
    assert made.code == 0, made.err
    assert "Traceback" not in made.err
    for path in sorted((armoire.cwd / "local" / "shards").iterdir()):
        one, other = (pq.read_table(p) for p in (path, armoire.cwd / "ray" / "shards" / path.name))
        assert one["id"].equals(other["id"])
        for name in ("mean", "log_var"):
            np.testing.assert_allclose(one[name].to_pylist(), other[name].to_pylist(), atol=1e-6)


@pytest.fixture(scope="module")
def fashion_parquet(tmp_path_factory: pytest.TempPathFactory, fashion) -> Path:
    """60,000 images of Fashion-MNIST as PNG, in Parquet as the Hugging Face datasets keep them."""
    folder = tmp_path_factory.mktemp("fashion-parquet")
    for start in range(0, IMAGES, 10_000):
        cells = []
        for pixels in fashion.images[start : start + 10_000]:
            file = io.BytesIO()
            Image.fromarray(pixels[..., 0]).save(file, "PNG", compress_level=1)
            cells.append({"bytes": file.getvalue(), "path": None})
        table = pa.table({"id": [f"{i:06d}" for i in range(start, start + len(cells))], "image": cells})
        pq.write_table(table, folder / f"{start:06d}.parquet", row_group_size=500)
    return folder


@pytest.fixture(scope="module")
def fashion_run(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: object, fashion) -> Path:
    cwd = tmp_path_factory.mktemp("fashion-run")
    armoire = Armoire(cwd, env, server)  # type: ignore[arg-type]
    assert fashion.info.source == "fashion-mnist"
    made = armoire("train", "fashion-vae", "--epochs", 1, "--limit", 600, "--out", "run")
    assert made.code == 0, made.err
    return cwd / "run"


def assert_each_id_once(out: Path) -> None:
    table = pq.read_table(out / "shards", columns=["id", "row"])
    assert sorted(table["id"].to_pylist()) == [f"{i:06d}" for i in range(IMAGES)]
    assert sorted(table["row"].to_pylist()) == list(range(IMAGES))
    assert json.loads((out / "manifest.json").read_text())["complete"] is True


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_local_killed_again_and_again(armoire: Armoire, fashion_run: Path, fashion_parquet: Path) -> None:
    seconds, kills = float(os.environ.get("ARMOIRE_KILL_SECONDS", KILL_SECONDS)), 0
    words = ("encode", fashion_run, fashion_parquet, "--out", "made", "--shard-size", 1000, "--workers", 2)
    started = time.monotonic()
    while True:
        with armoire.started(*words) as process:
            try:
                _, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
                assert kills < 30
                continue
        assert process.returncode == 0, err
        break
    assert kills >= 2, "it was over before it could be killed"
    sys.stderr.write(f"local: {kills} kills, {time.monotonic() - started:.0f} s\n")
    assert_each_id_once(armoire.cwd / "made")


@pytest.mark.slow
@needs_ray
@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_ray_with_workers_killed_again_and_again(armoire: Armoire, fashion_run: Path, fashion_parquet: Path) -> None:
    seconds, kills = float(os.environ.get("ARMOIRE_KILL_SECONDS", KILL_SECONDS)), 0
    words = ("encode", fashion_run, fashion_parquet, "--out", "made", "--shard-size", 1000)
    started = last = time.monotonic()
    with armoire.started(*words, "--engine", "ray", "--workers", 2) as process:
        while process.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - last > seconds and (actors := ray_actors(process.pid)):
                os.kill(actors[kills % len(actors)], signal.SIGKILL)
                last, kills = time.monotonic(), kills + 1
            assert time.monotonic() - started < 550
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert kills >= 2, "it was over before a worker could be killed"
    sys.stderr.write(f"ray: {kills} kills, {time.monotonic() - started:.0f} s\n")
    assert_each_id_once(armoire.cwd / "made")


def ray_actors(root: int) -> list[int]:
    """The processes below `root` in which Ray Data keeps the model."""
    parents, named = {}, []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat, words = (entry / "stat").read_text(), (entry / "cmdline").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
            if "MapWorker" in words:
                named.append(int(entry.name))

    def below(pid: int) -> bool:
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return sorted(pid for pid in named if below(pid))
