"""The runs that the story's pictures are drawn from: trained when the site is built, and cached.

A run is cached under a digest of its recipe and of armoire's source, and trained again when either has changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import armoire

QUICK = os.environ.get("ARMOIRE_DOCS") == "quick"  # a few images and steps: pictures of the right kind, not beautiful
SOURCE = Path(armoire.__file__).parent
DEPENDS_ON = ("io", "images", "model", "priors", "training", "wardrobe", "recipes")


@dataclass(frozen=True)
class Planned:
    """A recipe, what is changed in it, and how many images of it a quick build takes.

    Attributes:
        recipe: its name.
        changes: settings that differ from the recipe's.
        few: training images, and held-out ones, of a quick build.
    """

    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    few: tuple[int, int] = (320, 200)

    @cached_property
    def settings(self) -> armoire.Recipe:
        """The recipe that is trained."""
        hurry = {"epochs": 1, "channels": [8, 16], "batch": 32, "lr": 5e-3} if QUICK else {}
        return armoire.load_recipe(self.recipe).change(**dict(self.changes) | hurry)

    @cached_property
    def key(self) -> str:
        """Of these settings and this source."""
        return digest(self.settings.to_toml(), str(self.few) if QUICK else "", source_digest())

    def open(self, folder: Path) -> armoire.Wardrobe:
        """The wardrobe cached in `folder`, or trained into it."""
        images = armoire.load_images(self._data, self.settings.size, self.settings.fit)
        images = part(images, *self.few) if QUICK else images
        path = folder / f"{self.recipe}-{self.key}"
        if (path / "latents.parquet").is_file():
            return armoire.Wardrobe.open(path, images)
        return armoire.train(self.settings, images, path, resume=True)

    @property
    def _data(self) -> str:
        drawn = QUICK and self.settings.data == "drawn-faces"
        return f"drawn-faces:{3 * sum(self.few)}" if drawn else self.settings.data


# One epoch of small batches comes to what the published settings reach in five (docs/scaling.md).
AUTOENCODER = Planned("fashion-ae", {"epochs": 1, "batch": 32, "lr": 8e-3})
VARIATIONAL = Planned("fashion-vae", {"epochs": 1, "batch": 50, "lr": 8e-3})
FACES = Planned("drawn-faces-vae", {"epochs": 6}, (160, 24))


def part(images: armoire.ImageSet, train: int, held_out: int) -> armoire.ImageSet:
    """The first images of the training split and of the one held out."""
    from armoire.images import fingerprint

    rows = np.concatenate([np.flatnonzero(images.split_of == name)[:n] for name, n in _wanted(images, train, held_out)])
    pixels, table = images.images[rows], images.table.take(rows)
    return replace(
        images,
        images=pixels,
        table=table,
        info=replace(images.info, fingerprint=fingerprint(pixels, table)),
        store=None,
    )


def source_digest() -> str:
    """Of all of armoire's source that a trained run depends on."""
    files = [file for name in DEPENDS_ON for file in sorted((SOURCE / name).rglob("*"))]
    return digest(*(file.read_bytes() for file in files if file.suffix in (".py", ".toml")))


def digest(*parts: str | bytes) -> str:
    """A short name for some contents."""
    found = hashlib.sha256()
    for content in parts:
        data = content.encode() if isinstance(content, str) else content
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()[:12]


def _wanted(images: armoire.ImageSet, train: int, held_out: int) -> tuple[tuple[str, int], ...]:
    return ("train", train), (images.held_out, held_out)
