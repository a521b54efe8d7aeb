"""Ctrl-C, SIGTERM and a kill in the middle of a training, and resuming from there."""

from __future__ import annotations

import csv
import signal
import time
from pathlib import Path

import pytest
from command_line import QUICK, SHAPE, Armoire, Trained, assert_one_sentence, assert_same_model, contents, leftovers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EPOCHS = 6
KILL_AT = 15  # of the file events of its checkpoints


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("32", id="many steps an epoch"),
        pytest.param("512", id="one step an epoch", marks=pytest.mark.slow),
    ],
)
def uninterrupted(request: pytest.FixtureRequest, shared: Armoire, pictures: Path) -> tuple[Path, list[object]]:
    """A run, and the words that train it but for `--out`."""
    settings = [*SHAPE, "--set", "norm=none", "--epochs", EPOCHS, "--batch", request.param]
    words = ["train", "images-vae", "--data", pictures, *settings]
    made = shared(*words, "--out", request.param)
    assert made.code == 0, made.err
    return shared.cwd / request.param, words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_stopped_training_is_resumed_to_the_same_bits(
    armoire: Armoire, uninterrupted: tuple[Path, list[object]], number: signal.Signals
) -> None:
    whole, words = uninterrupted
    # With a tracker where it has no chance to end properly: that changes no bit either.
    track = ["--track", "tensorboard"] if number == signal.SIGKILL else []
    words = [*words, "--out", "run", *track]
    run = armoire.cwd / "run"
    # It stops itself while it saves a checkpoint: from outside, a quick training may be over before it is stopped.
    stopped = armoire(*words, watched=[str(run / "checkpoints")], kill_at=KILL_AT, number=number)
    assert 1 <= len(rows(run)) < EPOCHS
    if number == signal.SIGKILL:
        assert stopped.code == -signal.SIGKILL
    else:
        assert (stopped.code, stopped.out) == (130, ""), stopped.err
        assert "Traceback" not in stopped.err
        last = stopped.err.splitlines()[-1]
        assert last.startswith("armoire: ") and number.name in last and "--resume" in last
        assert leftovers(run) == []
        # It can be used as it is; the latents this leaves must not be mistaken for the finished run's.
        assert armoire("sample", run, "-n", 1, "--out", "meanwhile.png").code == 0
    resumed = armoire(*words, "--resume")
    assert resumed.code == 0, resumed.err
    assert "going on from step-" in resumed.err
    for key in ("epoch", "step", "train_objective_nats", "test_objective_nats", "learning_rate"):
        assert [row[key] for row in rows(run)] == [row[key] for row in rows(whole)]
    assert_same_model(run, whole)
    assert (run / "latents.parquet").read_bytes() == (whole / "latents.parquet").read_bytes()
    names = [sorted(path.name for path in (one / "checkpoints").iterdir()) for one in (run, whole)]
    assert names[0] == names[1]
    if track:
        tracked = EventAccumulator(str(run / "tracking")).Reload().Scalars("objective_nats/test")
        assert [event.step for event in tracked] == list(range(1, EPOCHS + 1))


def test_resume_of_a_finished_run_and_from_the_checkpoint_before_a_damaged_one(
    armoire: Armoire, pictures: Path, copied: Path, trained: Trained
) -> None:
    words = ["train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--resume"]
    before = contents(copied)
    assert armoire(*words).code == 0
    assert_one_sentence(armoire(*words, "--lr", "0.1"), "lr 0.002 (now 0.1)", "choose another --out")
    assert contents(copied) == before
    newest = copied / "checkpoints" / "step-000000014.safetensors"
    newest.write_bytes(newest.read_bytes()[:1000])
    (copied / "model.safetensors").unlink()
    resumed = armoire(*words)
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
