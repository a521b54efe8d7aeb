"""The public API's types, as a type checker sees them in a program that uses an installed armoire."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each line: what pyright reports of it.
PROGRAM = {
    "import armoire": "",
    "images = armoire.load_images('fashion-mnist').split('test')": "",
    "wardrobe: armoire.Wardrobe = armoire.train('fashion-vae', images, epochs=1)": "",
    "reveal_type(wardrobe.recipe.dimensions)": "int",
    "reveal_type(wardrobe.run)": "Run",
    "reveal_type(images)": "ImageSet",
    "reveal_type(armoire.evaluate(wardrobe))": "Evaluation",
    "reveal_type(armoire.Autoencoder)": "Autoencoder",
    "wardrobe.no_such_method()": 'Cannot access attribute "no_such_method"',
    "armoire.load_images(size=64)": "Argument missing for parameter",
}


def test_pyright_sees_them(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/armoire").symlink_to(ROOT / "src/armoire")
    (tmp_path / "program.py").write_text("\n".join(PROGRAM))
    settings = {"extraPaths": ["site"], "typeCheckingMode": "standard", "reportMissingImports": "none"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = {one["range"]["start"]["line"]: one["message"] for one in json.loads(done.stdout)["generalDiagnostics"]}
    assert len(found) == sum(map(bool, PROGRAM.values()))
    for line, words in enumerate(PROGRAM.values()):
        assert words in found.get(line, ""), found
