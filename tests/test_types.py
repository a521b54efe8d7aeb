"""The public API's types, as a program that uses an installed armoire gets to see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """\
import armoire
from armoire import Wardrobe

images = armoire.load_images("fashion-mnist").split("test")
wardrobe: Wardrobe = armoire.train("fashion-vae", images, epochs=1)
reveal_type(wardrobe.recipe.latent)
reveal_type(wardrobe.run)
reveal_type(images)
reveal_type(armoire.evaluate(wardrobe))
reveal_type(armoire.Autoencoder)
wardrobe.no_such_method()
armoire.load_images(size=64)
"""
# Of the libraries beneath only the names matter here; torch alone would take mypy a minute.
BENEATH = "torch numpy scipy sklearn pyarrow PIL matplotlib pydantic jaxtyping starlette uvicorn rich safetensors"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, next to a site-packages with nothing but armoire."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/armoire").symlink_to(ROOT / "src/armoire")
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


def line_of(words: str) -> int:
    return 1 + next(k for k, line in enumerate(PROGRAM.splitlines()) if words in line)


def test_mypy_sees_them(program: Path) -> None:
    skipped = "".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in BENEATH.split())
    (program.parent / "mypy.ini").write_text(f"[mypy]\nignore_missing_imports = True\n{skipped}")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "--cache-dir", os.devnull, program.name],
        cwd=program.parent,
        env=os.environ | {"PYTHONPATH": f"{program.parent / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = {int(line.split(":")[1]): line for line in done.stdout.splitlines() if line.startswith("program.py:")}
    expect(told, '"Wardrobe" has no attribute "no_such_method"', "Missing positional argument")


def test_pyright_sees_them(program: Path) -> None:
    settings = {"extraPaths": ["site"], "typeCheckingMode": "standard", "reportMissingImports": "none"}
    (program.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", program.name],
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    told = {1 + one["range"]["start"]["line"]: one["message"] for one in found}
    expect(told, 'Cannot access attribute "no_such_method"', "Argument missing for parameter")


def expect(told: dict[int, str], no_attribute: str, no_argument: str) -> None:
    """What both say of the program's lines, and nothing of the others."""
    assert "int" in told[line_of("recipe.latent")]
    assert "Run" in told[line_of("wardrobe.run")]
    assert "Evaluation" in told[line_of("armoire.evaluate")]
    assert "Autoencoder" in told[line_of("armoire.Autoencoder")]
    assert "ImageSet" in told[line_of("reveal_type(images)")]
    assert no_attribute in told[line_of("no_such_method")]
    assert no_argument in told[line_of("size=64")]
    assert len(told) == 7
