"""Runs what a page of the documentation prints, in a folder with the files that it mentions."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from documents import ROOT, Block
from PIL import Image

import armoire
from armoire.cli import main
from armoire.cli.app import build

PAGE = ROOT / "src/armoire/explorer/index.html"
DATA = {"images-vae": "my-photos/"} | dict.fromkeys(("celeba-vae", "faces-vae", "faces-best"), "celeba:archive.zip")
FACES = 90  # drawn where a page does not state a number


@dataclass
class Reader:
    """Runs commands and Python; each command once, however many pages print it."""

    folder: Path
    typed: set[str] = field(default_factory=set)

    def type(self, command: str) -> None:
        """Run one line of a shell in this process."""
        words = shlex.split(command, comments=True)
        if tuple(words) in self.typed or self._serves(words):
            return
        target = self._target(words)
        assert words[0] == "armoire", f"say <!-- not run: REASON --> before a block that cannot be run: {command}"
        self._prepare(words)
        out = self.armoire(*words[1:])
        if target:
            target.write_text(out, encoding="utf-8")
        self.typed.add(tuple(words))

    def armoire(self, *arguments: str) -> str:
        """Run one command and return what it printed; anything but exit code 0 fails."""
        out, err, before = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main(list(arguments))
        except SystemExit as leaving:
            pytest.fail(f"armoire {shlex.join(arguments)} left with {leaving.code}: {err.getvalue()}")
        finally:
            signal.signal(signal.SIGTERM, before)
        return out.getvalue()

    def python(self, block: Block, names: dict[str, Any]) -> None:
        """Run a block of Python with the names of its page."""
        exec(compile("\n" * (block.line - 1) + block.code, str(ROOT / block.page), "exec"), names)

    def _target(self, words: list[str]) -> Path | None:
        if ">" not in words:
            return None
        words[words.index(">") :], (name,) = [], words[words.index(">") + 1 :]
        return self.folder / name

    def _serves(self, words: list[str]) -> bool:
        """Whether it runs until Ctrl-C, or has no page to serve (ARMOIRE_SKIP_WEB); such a command is only parsed."""
        if words[:2] != ["armoire", "explore"] or ("--export" in words and PAGE.is_file()):
            return False
        build().parse_args(words[1:], exit_on_error=False, print_error=False)
        return True

    def _prepare(self, words: list[str]) -> None:
        if words[1] == "train":
            shutil.rmtree(self.folder / "runs" / words[2], ignore_errors=True)
            return
        for name in re.findall(r"runs/([\w-]+)", " ".join(words)):
            if not (self.folder / "runs" / name).exists():
                self.train(name)

    def train(self, name: str) -> None:
        """Train a run that a page assumes; of fashion-vae where its name is no recipe's."""
        recipe = name if name in armoire.recipe_names() else "fashion-vae"
        data = ["--data", DATA[recipe]] if recipe in DATA else []
        self.armoire("train", recipe, *data, "--out", f"runs/{name}")


def furnish(folder: Path, pictures: Any) -> None:
    """Write the files that pages mention: photos, faces, an archive of CelebA's layout, a Parquet file of images."""
    from armoire.images.sources.drawn_faces import drawn_face, write_kaggle
    from armoire.images.sources.portrait import paint

    random = np.random.default_rng(0)
    for photos in ("my-photos", "other-photos", "photos"):
        for name in ("cat/one", "cat/two", *(f"dog/{i}" for i in range(22))):
            path = folder / photos / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (40, 50, 3), np.uint8)).save(path)
    for i, name in enumerate(("me.png", "me.jpg", "face.png")):
        paint(drawn_face(i)).save(folder / name)
    for name, image in zip(("shoe.png", "shirt.png"), pictures(2, 28)[..., 0], strict=True):
        Image.fromarray(image).save(folder / name)
    write_kaggle(folder / "archive.zip", FACES, size=(45, 55))
    files = sorted((folder / "photos").rglob("*.png"))
    (folder / "parquet").mkdir()
    table = pa.table({"image": [{"bytes": file.read_bytes(), "path": file.name} for file in files]})
    pq.write_table(table, folder / "parquet/0.parquet")


def pack_fashion(pictures: Any, train: int = 240, test: int = 80) -> None:
    """Store discs in the cache in place of Fashion-MNIST's 70,000 images."""
    from armoire.images import Fit, SetInfo, make_table
    from armoire.images.packing import store_of
    from armoire.images.sources.fashion_mnist import CLASSES, FashionSource
    from armoire.images.store import write_store
    from armoire.progress import SILENT

    source, n = FashionSource(None, SILENT), train + test
    fit = source.fit(Fit(28))
    info = SetInfo(source.name, source.origin, fit, CLASSES, listing=source.digest)
    table = make_table([f"{i:05d}" for i in range(n)], ["train"] * train + ["test"] * test, [i % 10 for i in range(n)])
    write_store(store_of(source, fit), pictures(n, 32), table, info)


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Make every recipe small and every fit short; the commands stay as printed."""
    load_recipe = armoire.load_recipe

    def small(name: str | Path) -> armoire.Recipe:
        return load_recipe(name).change(channels=[4, 8], batch=32)

    def one_epoch(recipe: armoire.Recipe, **settings: object) -> armoire.Recipe:
        return change(recipe, **settings | {"epochs": 1, "limit": 240})

    change = armoire.Recipe.change
    patch.setattr(armoire.Recipe, "change", one_epoch)
    patch.setattr(armoire, "load_recipe", small)
    patch.setattr("armoire.wardrobe.training.load_recipe", small)
    patch.setattr("armoire.images.sources.drawn_faces.USUAL", FACES)
    patch.setattr("armoire.priors.flow.STEPS", 40)
    patch.setattr("armoire.priors.neighbours.DRAWS", 100)
    patch.setattr("armoire.measure.attribute_classifier.STEPS", 20)
