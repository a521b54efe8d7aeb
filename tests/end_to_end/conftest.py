"""A program with a working folder, a cache of its own, and an exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import KINDS, QUICK, Armoire, Trained, draw_picture
from hub_stand_in import Hub, running


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The cache is the session's own; one thread, because waiting for a second one on a busy machine takes longer.

    Python may keep what it compiled, as a user's does: every command would compile armoire anew.
    """
    cache = tmp_path_factory.mktemp("cache")
    kept = {"OMP_NUM_THREADS": "1"} | os.environ
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"ARMOIRE_CACHE": str(cache), "COLUMNS": "80", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def server(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("fork_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    with process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def armoire(tmp_path: Path, env: dict[str, str], server: subprocess.Popen[str]) -> Armoire:
    """`armoire` in an empty folder."""
    cwd = tmp_path / "here"
    cwd.mkdir()
    return Armoire(cwd, env, server)


@pytest.fixture
def there() -> Iterator[Hub]:
    """A stand-in of the Hub, for commands that are given its environment."""
    with running() as hub:
        yield hub


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 colour pictures of 20 x 20 pixels in three sub-folders."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    random = np.random.default_rng(0)
    for i in range(240):
        draw_picture(folder / KINDS[i % 3] / f"{i:03d}.png", KINDS[i % 3], (20, 20), random, "RGB")
    return folder


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: subprocess.Popen[str], pictures: Path
) -> Trained:
    """A variational autoencoder of the pictures, on a plane, trained for two epochs; not to be written to."""
    cwd = tmp_path_factory.mktemp("trained")
    outcome = Armoire(cwd, env, server)("train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--json")
    assert outcome.code == 0, outcome.err
    return Trained(cwd / "run", outcome)


@pytest.fixture
def copied(trained: Trained, armoire: Armoire) -> Path:
    """A copy of the trained run in the working folder, to be damaged."""
    return Path(shutil.copytree(trained.run, armoire.cwd / "run"))
