"""A full disk, a folder that may only be read, system calls that fail: one sentence, and the last good state stays."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import (
    QUICK,
    Armoire,
    Trained,
    assert_ends_in_one_sentence,
    assert_one_sentence,
    assert_same_model,
    contents,
    leftovers,
)


def words(pictures: Path, out: Path | str = "run") -> list[object]:
    return ["train", "images-vae", "--data", pictures, *QUICK, "--out", out]


@pytest.mark.parametrize(
    ("fail", "code", "fail_at"),
    [
        ("os.fsync", errno.EIO, 2),
        ("os.rename", errno.EIO, 6),
        ("open", errno.ENOSPC, 9),
        ("os.fsync", errno.ENOSPC, 6),
    ],
)
def test_the_last_good_checkpoint_stays(
    armoire: Armoire, pictures: Path, trained: Trained, fail: str, code: int, fail_at: int
) -> None:
    run = armoire.cwd / "run"
    run.mkdir()
    failed = armoire(*words(pictures), watched=[str(run)], fail=fail, fail_at=fail_at, code=code)
    assert_ends_in_one_sentence(failed, os.strerror(code).lower(), str(run.name))
    assert leftovers(run) == []
    again = armoire(*words(pictures), "--resume")
    assert again.code == 0, again.err
    assert_same_model(run, trained.run)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_fills_up(armoire: Armoire, pictures: Path, tiny_disk: Path) -> None:
    outcome = armoire(*words(pictures, tiny_disk / "run"))
    assert_ends_in_one_sentence(outcome, "no space left on device", str(tiny_disk))
    assert leftovers(tiny_disk) == []


def test_a_disk_that_fills_up_while_data_are_read_in(armoire: Armoire, pictures: Path, tiny_disk: Path) -> None:
    elsewhere = replace(armoire, env=armoire.env | {"ARMOIRE_CACHE": str(tiny_disk)})
    outcome = elsewhere("data", pictures, "--size", 64)
    assert_ends_in_one_sentence(outcome, "no space left on device", str(tiny_disk))
    assert leftovers(tiny_disk) == []


@pytest.fixture
def read_only(copied: Path) -> Iterator[Path]:
    """A run on a file system that may only be read: permissions alone do not keep root out."""
    bound = subprocess.run(["mount", "--bind", copied, copied], capture_output=True)
    if bound.returncode:
        pytest.skip("needs the right to mount a file system")
    subprocess.run(["mount", "-o", "remount,bind,ro", copied], check=True)
    yield copied
    subprocess.run(["umount", "-l", copied], check=True)


def test_a_read_only_run(armoire: Armoire, pictures: Path, read_only: Path) -> None:
    before = contents(read_only)
    assert_one_sentence(armoire(*words(pictures), "--resume"), "read-only file system", "run")
    for command in (["sample", read_only, "-n", 2, "--out", "s.png"], ["evaluate", read_only], ["doctor", read_only]):
        outcome = armoire(*command)
        assert outcome.code == 0, outcome.err
    fitted = armoire("prior", read_only, "--kind", "gmm")
    assert (fitted.code, fitted.err) == (0, "run is read-only or full: the prior was not stored in it\n")
    assert contents(read_only) == before


def test_two_trainings_of_one_run(armoire: Armoire, pictures: Path) -> None:
    many = [*words(pictures), "--resume"]
    many[many.index("--epochs") + 1] = "500"
    with armoire.started(*many) as first:
        while not (armoire.cwd / "run" / "recipe.toml").exists():
            assert first.poll() is None, first.communicate()
        second = armoire(*many)
        first.terminate()
        first.communicate(timeout=60)
    assert_one_sentence(second, f"run is in use by process {first.pid} on", "(__main__.py train images-vae", "wait")
    assert not (armoire.cwd / "run" / ".lock").exists()
