"""The README's commands and snippet, run as printed: each in a process of its own (slow).

tests/docs/test_documentation_blocks.py runs the same in one process, on few images, each time.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import documents
import numpy as np
import pytest
from documents import ROOT
from PIL import Image

from armoire.cli.app import build

README = (ROOT / "README.md").read_text(encoding="utf-8")
FASHION = Path("/usr/share/datasets/fashion-mnist")

# `make test` is what runs this. `make demo` runs on fewer images, and elsewhere than in the reader's own runs/. The
# environment is the one that this runs in.
NOT_HERE = {"make test", ". .venv/bin/activate"}
PAGE = ROOT / "src/armoire/explorer/index.html"


BLOCKS = [block for block in documents.blocks(ROOT / "README.md") if not block.not_run]


def commands() -> list[str]:
    return [line for block in BLOCKS for line in block.commands if line not in NOT_HERE]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A new user's folder: some photos, and nothing else."""
    folder = tmp_path_factory.mktemp("readme")
    random = np.random.default_rng(0)
    for name in ("cat/one", "cat/two", *(f"dog/{i}" for i in range(10))):
        path = folder / "my-photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (70, 90, 3), np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def environment():
    # No thread but one: another worker's tests run beside this. Compiled Python is kept, as a user's is.
    not_here = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if k not in not_here}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "OMP_NUM_THREADS": "1", "BROWSER": "true"}


def run(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def visit(command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    """Start what serves a page until Ctrl-C, look at the page, and end it."""
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{url}data/manifest.json", timeout=60) as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0


def test_every_command_is_one_that_this_file_runs():
    assert commands()[0] == "make demo"
    assert {line for block in BLOCKS for line in block.commands} >= NOT_HERE
    assert [block.language for block in BLOCKS].count("python") == 1
    for block in documents.blocks(ROOT / "README.md"):
        for command in block.commands:
            words = shlex.split(command, comments=True)
            if words[0] == "armoire":
                build().parse_args(words[1:], exit_on_error=False, print_error=False)


def test_what_make_demo_starts_is_known_to_the_command_line():
    done = subprocess.run(
        ["make", "--dry-run", "demo", f"VENV={sys.prefix}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    started = re.findall(r"^\S*/armoire (\w[^>\n]*)", done.stdout, flags=re.MULTILINE)
    assert [words.split()[0] for words in started][-2:] == ["train", "figures"], done.stdout
    for words in started:
        build().parse_args(shlex.split(words), exit_on_error=False, print_error=False)


@pytest.mark.slow
def test_commands_and_snippet_run_as_printed(place, environment):
    if not FASHION.is_dir():
        pytest.skip("needs Debian's dataset-fashion-mnist, which make test installs where it can")
    for command in commands():
        if command == "make demo":
            out = run(
                ["make", "-C", str(ROOT), "demo", f"VENV={sys.prefix}", f"RUN={place / 'runs/fashion-vae'}",
                 "TRAIN=--epochs 1 --limit 600"],
                place,
                environment,
            )  # fmt: skip
            assert "report.html" in out
            assert ("armoire explore" in out) == PAGE.is_file()
        elif command.startswith("armoire explore") and not PAGE.is_file():
            continue  # ARMOIRE_SKIP_WEB
        elif command == "armoire explore runs/fashion-vae":
            visit(command.split(), place, environment)
        else:
            run(["bash", "-c", command], place, environment)
    for block in (block for block in BLOCKS if block.language == "python"):
        out = run(
            [sys.executable, "-c", block.code + "print(between.shape, new.shape, alike.rows.shape)"], place, environment
        )
        assert out.splitlines()[-1] == "(9, 32, 32, 1) (18, 32, 32, 1) (2, 6)"
    left = {p.relative_to(place).as_posix() for p in place.rglob("*")}
    promised = ("report.html", "model.safetensors", "recipe.toml", "latents.parquet", "history.csv", "previews")
    assert {f"runs/fashion-vae/{name}" for name in promised} <= left
    assert len([name for name in left if re.fullmatch(r"runs/fashion-vae/figures/[^/]+\.png", name)]) >= 8
    assert {"samples.png", "again.png", "runs/images-vae/report.html"} <= left
    if PAGE.is_file():
        assert {"fashion-site/index.html", "runs/fashion-vae-site/index.html"} <= left
    with Image.open(place / "samples.png") as sheet:
        assert sheet.mode == "RGB"


def test_the_tree_in_the_readme_is_the_tree():
    tree = README[README.index("```\nsrc/armoire/") :]
    tree = tree[: tree.index("\ndocs/")]
    rooms = set(re.findall(r"^  (\w+)/", tree, flags=re.MULTILINE))
    there = {p.name for p in (ROOT / "src/armoire").iterdir() if p.is_dir() and not p.name.startswith("__")}
    assert rooms == there - {"explorer"}  # built from web/, and not a room
