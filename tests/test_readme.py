"""README: its commands and snippet run as printed, each in its own process (slow); its tree is the real one.

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

PAGES = (ROOT / "README.md", ROOT / "README.ko.md")
README = PAGES[0].read_text(encoding="utf-8")
FASHION = Path("/usr/share/datasets/fashion-mnist")
PAGE = ROOT / "src/armoire/explorer/index.html"
BLOCKS = [block for block in documents.blocks(PAGES[0]) if not block.not_run]
COMMANDS = [line for block in BLOCKS for line in block.commands if line != ". .venv/bin/activate"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
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
    # One thread: other workers' tests run at the same time. Bytecode is cached, as for a user.
    not_here = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONDONTWRITEBYTECODE")
    passed = {k: v for k, v in os.environ.items() if k not in not_here}
    path = f"{Path(sys.executable).parent}{os.pathsep}{passed['PATH']}"
    return passed | {"PATH": path, "OMP_NUM_THREADS": "1", "BROWSER": "true"}


def run(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def visit(command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    """Start a command that serves a page until Ctrl-C, request the page, and end it."""
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{url}data/manifest.json", timeout=60) as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_readme_is_short_and_prints_what_is_run(page):
    assert len(page.read_text(encoding="utf-8").split()) < 700
    blocks = documents.blocks(page)
    assert [block.commands for block in blocks] == [block.commands for block in documents.blocks(PAGES[0])]
    assert not any(block.not_run for block in blocks)
    assert [block.language for block in blocks] == ["sh", "sh", "python", ""]


def test_what_make_demo_starts_is_known_to_the_command_line():
    done = subprocess.run(
        ["make", "--dry-run", "demo", f"VENV={sys.prefix}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    started = re.findall(r"^\S*/armoire (\w[^>\n]*)", done.stdout, flags=re.MULTILINE)
    assert [words.split()[0] for words in started][-2:] == ["train", "figures"], done.stdout
    for words in started:
        build().parse_args(shlex.split(words), exit_on_error=False, print_error=False)


@pytest.mark.slow
def test_commands_and_snippet_run_as_printed(folder, environment):
    if not FASHION.is_dir():
        pytest.skip("needs Debian's dataset-fashion-mnist, which make test installs where it can")
    for command in COMMANDS:
        if command == "make demo":  # fewer images, and not in the developer's runs/
            out = run(
                ["make", "-C", str(ROOT), "demo", f"VENV={sys.prefix}", f"RUN={folder / 'runs/fashion-vae'}",
                 "TRAIN=--epochs 1 --limit 600"],
                folder,
                environment,
            )  # fmt: skip
            assert "report.html" in out
            assert ("armoire explore" in out) == PAGE.is_file()
        elif command.startswith("armoire explore") and not PAGE.is_file():
            continue  # ARMOIRE_SKIP_WEB
        elif command == "armoire explore runs/fashion-vae":
            visit(command.split(), folder, environment)
        else:
            run(["bash", "-c", command], folder, environment)
    (code,) = [block.code for block in BLOCKS if block.language == "python"]
    out = run([sys.executable, "-c", code + "print(between.shape, new.shape)"], folder, environment)
    assert out.splitlines()[-1] == "(9, 32, 32, 1) (18, 32, 32, 1)"
    left = {p.relative_to(folder).as_posix() for p in folder.rglob("*")}
    promised = ("report.html", "model.safetensors", "recipe.toml", "latents.parquet", "history.csv", "previews")
    assert {f"runs/fashion-vae/{name}" for name in promised} <= left
    assert len([name for name in left if re.fullmatch(r"runs/fashion-vae/figures/[^/]+\.png", name)]) >= 8
    assert {"samples.png", "reconstruction.png", "morph.gif"} <= left
    if PAGE.is_file():
        assert {"site/index.html", "runs/fashion-vae-site/index.html"} <= left


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tree_in_the_readme_is_the_tree(page):
    (tree,) = [block.code for block in documents.blocks(page) if not block.language]
    named = set(re.findall(r"^  (\w+)/", tree, flags=re.MULTILINE))
    packages = {p.name for p in (ROOT / "src/armoire").iterdir() if p.is_dir() and not p.name.startswith("__")}
    assert named == packages - {"explorer"}  # built from web/
    assert all((ROOT / name).is_dir() for name in re.findall(r"^(\S+)/ ", tree, flags=re.MULTILINE))
