"""`torchrun -m armoire train`: two processes as a user starts, stops and kills them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SHAPE, Armoire, leftovers
from test_interruption import rows, wait_for

pytestmark = pytest.mark.slow  # torchrun takes ten seconds to start; training/test_distributed.py has the rest
EPOCHS = 50  # so many that a slow machine is interrupted well before the end
SETTINGS = [*SHAPE, "--epochs", EPOCHS, "--batch", 31, "--set", "norm=none", "--out", "run"]


class Torchrun(Armoire):
    """`armoire` in two processes."""

    @staticmethod
    def command(*arguments: object) -> list[str]:
        return [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("-m", "armoire", *map(str, arguments)),
        ]


@pytest.fixture
def torchrun(armoire: Armoire) -> Torchrun:
    return Torchrun(armoire.cwd, armoire.env, armoire.server)


@pytest.fixture
def words(pictures: Path) -> list[object]:
    return ["train", "images-vae", "--data", pictures, *SETTINGS]


def errors(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("armoire: ")]


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a torchrun has started, the first rank first."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(int(child) for child in children if b"armoire" in Path(f"/proc/{child}/cmdline").read_bytes())


def test_interrupted_it_saves_and_one_process_goes_on(
    torchrun: Torchrun, armoire: Armoire, words: list[object]
) -> None:
    run = armoire.cwd / "run"
    with torchrun.started(*words) as process:
        wait_for(lambda: len(rows(run)) >= 2, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode not in (0, 2), err
    assert out == ""
    assert len(errors(err)) == 1, err
    assert "stopped by SIGINT" in err
    assert leftovers(run) == []
    done = len(rows(run))
    assert 2 <= done < EPOCHS
    resumed = armoire(*words, "--resume")
    assert resumed.code == 0, resumed.err
    assert "going on from step-" in resumed.err
    whole = armoire(*words[:-1], "whole")
    assert whole.code == 0, whole.err
    for key in ("train_objective_nats", "test_objective_nats"):
        one, two = ([float(row[key]) for row in rows(armoire.cwd / name)] for name in ("run", "whole"))
        assert one == pytest.approx(two, rel=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_a_killed_process_ends_all_and_two_go_on(torchrun: Torchrun, armoire: Armoire, words: list[object]) -> None:
    run = armoire.cwd / "run"
    with torchrun.started(*words) as process:
        wait_for(lambda: len(rows(run)) >= 2, process)
        both = workers(process)
        assert len(both) == 2
        os.kill(both[-1], signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert "forcefully exiting" not in err, "it waited until torchrun gave up on it"
    assert process.returncode != 0
    assert len(errors(err)) <= 1, err
    assert len(rows(run)) < EPOCHS
    resumed = torchrun.typed(*words, "--resume")
    assert resumed.code == 0, resumed.err
    assert "going on from step-" in resumed.err
    assert [row["epoch"] for row in rows(run)] == [str(epoch + 1) for epoch in range(EPOCHS)]
    assert resumed.out.count("latents.parquet") == 1
    assert resumed.err.count(f"epoch {EPOCHS}/{EPOCHS}") == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["new", "--lr", "1e30", "--set", "schedule=constant"], "no longer finite"),  # by both while they train
        (["taken"], "already holds something"),  # by the first alone
        (["new", "--seed", "1.5"], "not a whole number"),  # before they communicate
    ],
)
def test_an_error_is_reported_once(torchrun: Torchrun, words: list[object], more: list[str], sentence: str) -> None:
    (torchrun.cwd / "taken").mkdir()
    (torchrun.cwd / "taken" / "mine.txt").write_text("mine")
    failed = torchrun.typed(*words[:-1], *more, timeout=300)
    assert failed.code != 0
    assert len(errors(failed.err)) == 1, failed.err
    assert sentence in failed.err
    assert "exitcode  : 2" in failed.err  # in torchrun's report
    assert failed.out == ""
