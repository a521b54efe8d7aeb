"""Commands that run in processes of their own, pictures, and a trained run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import KINDS, QUICK, Armoire, Outcome, Trained, draw_picture
from hub_stand_in import Hub, running
from PIL import Image

from armoire.cli import main
from armoire.images.sources.drawn_faces import drawn_face
from armoire.images.sources.portrait import paint


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of all commands, with a cache of the session's own."""
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return cached | {"ARMOIRE_CACHE": str(tmp_path_factory.mktemp("cache")), "COLUMNS": "80", "NO_COLOR": "1"}


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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: subprocess.Popen[str]) -> Armoire:
    """`armoire` in a folder that all tests of a file share."""
    return Armoire(tmp_path_factory.mktemp("shared"), env, server)


@pytest.fixture
def in_process(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run a command line in the process of the test, which is faster."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> Outcome:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = leaving.code
        return Outcome(code, *capsys.readouterr())

    return run


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


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: subprocess.Popen[str]) -> Path:
    """A run on 60 drawn faces, which have attributes, next to files of some of them; not to be written to."""
    armoire = Armoire(tmp_path_factory.mktemp("faces"), env, server)
    shape = ("--size", "16", "--latent", "4", "--epochs", "4", "--batch", "16", "--set", "channels=[8, 8]")
    done = armoire("train", "drawn-faces-vae", "--data", "drawn-faces:60", *shape, "--out", "run")
    assert done.code == 0, done.err
    for i in (0, 1, 9, 19, 29):  # every tenth is held out
        paint(drawn_face(i), 16).save(armoire.cwd / f"{i}.png")
    noise = np.random.default_rng(0).integers(0, 2, (16, 16, 3), np.uint8) * 255
    Image.fromarray(noise).save(armoire.cwd / "noise.png")
    for method in ("difference", "partial", "logistic"):  # stored in the run, to which later commands write nothing
        words = ("--attribute", "Smiling", "--strength", "1", "--method", method, "--out", "made.png")
        assert armoire("edit", "run", "0.png", *words).code == 0
    return armoire.cwd / "run"


@pytest.fixture
def copied(trained: Trained, armoire: Armoire) -> Path:
    """A copy of the trained run in the working folder, to be damaged."""
    return Path(shutil.copytree(trained.run, armoire.cwd / "run"))
