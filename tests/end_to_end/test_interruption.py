"""Ctrl-C, SIGTERM and a kill in the middle of a training, and going on from there."""

from __future__ import annotations

import csv
import signal
import time
from pathlib import Path

import pytest
from command_line import QUICK, Armoire, Trained, assert_one_sentence, assert_same_model, contents, leftovers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EPOCHS = 6
KILL_AT = 15  # of the file events of its checkpoints
SETTINGS = [*QUICK, "--set", "norm=none"]
SETTINGS[SETTINGS.index("--epochs") + 1] = str(EPOCHS)


def in_batches_of(batch: int) -> list[str]:
    settings = list(SETTINGS)
    settings[settings.index("--batch") + 1] = str(batch)
    return settings


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(32, id="many steps an epoch"),
        pytest.param(512, id="one step an epoch", marks=pytest.mark.slow),
    ],
)
def uninterrupted(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    env: dict[str, str],
    server: object,
    pictures: Path,
) -> tuple[Path, list[str]]:
    armoire = Armoire(tmp_path_factory.mktemp("uninterrupted"), env, server)  # type: ignore[arg-type]
    settings = in_batches_of(request.param)
    made = armoire("train", "images-vae", "--data", pictures, *settings, "--out", "run")
    assert made.code == 0, made.err
    return armoire.cwd / "run", settings


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_stopped_training_goes_on_to_the_same_bits(
    armoire: Armoire, pictures: Path, uninterrupted: tuple[Path, list[str]], number: signal.Signals
) -> None:
    whole, settings = uninterrupted
    # Followed by a tracker where it is not to have a chance to say goodbye: that changes no bit either.
    track = ["--track", "tensorboard"] if number == signal.SIGKILL else []
    words = ["train", "images-vae", "--data", pictures, *settings, "--out", "run", *track]
    run = armoire.cwd / "run"
    # It stops itself while it saves a checkpoint: from outside, a quick training may be over before it is stopped.
    stopped = armoire(*words, watched=[str(run / "checkpoints")], kill_at=KILL_AT, number=number)
    assert 1 <= len(rows(run)) < EPOCHS
    if number == signal.SIGKILL:
        assert stopped.code == -signal.SIGKILL
    else:
        assert (stopped.code, stopped.out) == (130, ""), stopped.err
        last = stopped.err.splitlines()[-1]
        assert last.startswith("armoire: ")
        assert number.name in last
        assert "--resume" in last
        assert "Traceback" not in stopped.err
        assert leftovers(run) == []
        # It can be used as it is; the latents this leaves must not be mistaken for the finished run's.
        assert armoire("sample", run, "-n", 1, "--out", "meanwhile.png").code == 0
    resumed = armoire(*words, "--resume")
    assert resumed.code == 0, resumed.err
    assert "going on from step-" in resumed.err
    assert [row["epoch"] for row in rows(run)] == [str(epoch + 1) for epoch in range(EPOCHS)]
    same = ("train_objective_nats", "test_objective_nats", "learning_rate", "step")
    assert [[row[key] for key in same] for row in rows(run)] == [[row[key] for key in same] for row in rows(whole)]
    assert_same_model(run, whole)
    assert (run / "latents.parquet").read_bytes() == (whole / "latents.parquet").read_bytes()
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == sorted(
        p.name for p in (whole / "checkpoints").iterdir()
    )
    if track:
        told = EventAccumulator(str(run / "tracking")).Reload().Scalars("objective_nats/test")
        assert [event.step for event in told] == list(range(1, EPOCHS + 1))


def test_resume_where_nothing_was_begun_and_where_all_is_done(armoire: Armoire, pictures: Path) -> None:
    words = ["train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--resume"]
    assert armoire(*words).code == 0
    before = contents(armoire.cwd / "run")
    again = armoire(*words)
    assert again.code == 0, again.err
    assert contents(armoire.cwd / "run") == before


def test_resume_with_other_settings(armoire: Armoire, pictures: Path, copied: Path) -> None:
    before = contents(copied)
    words = ["train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--resume"]
    assert_one_sentence(armoire(*words, "--lr", "0.1"), "lr 0.002 (now 0.1)", "choose another --out")
    assert_one_sentence(armoire(*words, "--seed", "3"), "seed 0 (now 3)")
    assert_one_sentence(
        armoire("train", "images-vae", "--data", pictures / "disc", *QUICK, "--out", "run", "--resume"), "other data"
    )
    assert contents(copied) == before


def test_resume_falls_back_to_the_checkpoint_before(
    armoire: Armoire, pictures: Path, copied: Path, trained: Trained
) -> None:
    newest = copied / "checkpoints" / "step-000000014.safetensors"
    newest.write_bytes(newest.read_bytes()[:1000])
    (copied / "model.safetensors").unlink()
    resumed = armoire("train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--resume")
    assert resumed.code == 0, resumed.err
    assert "step-000000014.safetensors is damaged" in resumed.err
    assert "going on from step-000000007" in resumed.err
    assert_same_model(copied, trained.run)


def rows(run: Path) -> list[dict[str, str]]:
    path = run / "history.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def wait_for(condition: object, process: object, seconds: float = 300) -> None:
    start = time.monotonic()
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()  # type: ignore[attr-defined]
        assert time.monotonic() - start < seconds
        time.sleep(0.01)
