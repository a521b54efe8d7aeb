"""Killed, or without power, at each file event of reading data in and of a whole training, and at random times."""

from __future__ import annotations

import csv
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Armoire, draw_picture, leftovers
from safetensors.torch import load_file

SETTINGS = ["--size", "16", "--latent", "2", "--epochs", "2", "--batch", "16", "--set", "channels=[4, 4]"]
EVERY = 29  # of the events, in the quick test; the slow one takes them all


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "few"
    random = np.random.default_rng(0)
    for i in range(40):
        draw_picture(folder / f"{i:03d}.png", "disc", (20, 20), random, "RGB")
    return folder


@pytest.fixture(scope="module")
def whole(shared: Armoire, few: Path) -> Armoire:
    armoire = alone(shared)
    made = armoire("train", "images-vae", "--data", few, *SETTINGS, "--out", "run")
    assert made.code == 0, made.err
    return armoire


def alone(armoire: Armoire) -> Armoire:
    """With a cache of its own, so that the data are packed again."""
    return replace(armoire, env=armoire.env | {"ARMOIRE_CACHE": str(armoire.cwd / "cache")})


def data_of(armoire: Armoire) -> dict[str, bytes]:
    """All that must be equal: weights, latents, checkpoints, the packed data; of the history all but times."""
    run = armoire.cwd / "run"
    files = [run / "model.safetensors", run / "latents.parquet", run / "outliers.safetensors", run / "recipe.toml"]
    files += [path for name in ("checkpoints", "previews", "priors") for path in sorted((run / name).iterdir())]
    stores = armoire.cwd / "cache" / "stores"
    files += [path for path in sorted(stores.rglob("*")) if path.is_file()] if stores.is_dir() else []
    files = [path for path in files if path.suffix != ".lock"]
    found = {
        str(path.relative_to(armoire.cwd)): path.read_bytes() for path in files if path.parent.name != "checkpoints"
    }
    for path in (run / "checkpoints").iterdir():  # whose headers hold times too
        found[path.name] = b"".join(t.numpy().tobytes() for _, t in sorted(load_file(path).items()))
    with (run / "history.csv").open(newline="") as file:
        rows = [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]
    return found | {"history": repr(rows).encode()}


def killed_and_resumed(armoire: Armoire, few: Path, at: int, power: bool) -> bool:
    """Whether the training was killed before it was over; afterwards it is."""
    words = ["train", "images-vae", "--data", few, *SETTINGS, "--out", "run", "--resume"]
    first = armoire(*words, watched=[str(armoire.cwd)], kill_at=at, power=power)
    if first.code == 0:
        return False
    assert first.code == -signal.SIGKILL, (at, first)
    second = armoire(*words)
    assert second.code == 0, (at, second.err)
    assert leftovers(armoire.cwd) == []
    return True


@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.slow)])
def test_it_is_resumed_to_the_same_bits(tmp_path: Path, few: Path, whole: Armoire, power: bool, every: int) -> None:
    wanted = data_of(whole)
    at = 1 + power * every // 2
    times = 0
    while True:
        folder = tmp_path / str(at)
        folder.mkdir()
        armoire = alone(replace(whole, cwd=folder))
        if not killed_and_resumed(armoire, few, at, power):
            break
        found = data_of(armoire)
        assert sorted(found) == sorted(wanted), at
        assert [name for name in wanted if found[name] != wanted[name]] == [], at
        at, times = at + every, times + 1
    assert times >= 50 // every > 0
    print(f"{times} kills")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [("fashion-vae", "--epochs", 3), ("drawn-faces-vae", "--data", "drawn-faces:400", "--epochs", 3)],
    ids=lambda given: given[0],
)
def test_a_hundred_kills_at_random_times(tmp_path: Path, armoire: Armoire, given: tuple) -> None:
    """Trainings are killed and resumed until they are over, until there were a hundred kills."""
    whole = armoire
    assert whole("train", *given, "--limit", 50, "--out", "first").code == 0  # the data are drawn or read in
    given = (*given, "--limit", 1500)
    began = time.monotonic()
    assert whole("train", *given, "--out", "run").code == 0
    seconds = time.monotonic() - began
    wanted, random, kills, trainings = data_of(whole), np.random.default_rng(0), 0, 0
    while kills < 100:
        trainings += 1
        armoire = replace(whole, cwd=tmp_path / f"training-{trainings}")
        armoire.cwd.mkdir()
        while True:
            killed = armoire("train", *given, "--out", "run", "--resume", kill_after=random.uniform(0.5, seconds))
            if killed.code == 0:
                break
            assert killed.code == -signal.SIGALRM, killed
            kills += 1
        found = data_of(armoire)
        assert sorted(found) == sorted(wanted), trainings
        assert [name for name in wanted if found[name] != wanted[name]] == [], trainings
        assert leftovers(armoire.cwd) == []
    print(f"{kills} kills in {trainings} trainings")  # noqa: T201
