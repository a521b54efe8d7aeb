"""Images of known attributes: a left and a right half, each bright or dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from armoire.images import Fit, ImageSet, SetInfo
from armoire.images.imageset import fingerprint, make_table
from armoire.priors import StandardNormal
from armoire.training import Run
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.directions import Direction

CPU = torch.device("cpu")


def painted(z: torch.Tensor) -> torch.Tensor:
    """(n, 2) to (n, 1, 16, 16): the left half as bright as z_0, the right as z_1, 0 being halfway."""
    halves = torch.sigmoid(2 * z)[:, None, None, :].repeat_interleave(8, dim=3)
    return halves.expand(-1, 1, 16, 16)


class Painter(nn.Module):
    device = CPU

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return painted(z)


def halves() -> ImageSet:
    """900 images; `random` cannot be seen, `rare` holds for too few, `right` is known of half."""
    n, random = 900, np.random.default_rng(0)
    z = random.normal(size=(n, 2)).astype(np.float32)
    noise = random.normal(0, 4, (n, 16, 16, 1))
    pixels = painted(torch.from_numpy(z)).permute(0, 2, 3, 1).numpy() * 255 + noise
    attributes = {
        "left": np.where(z[:, 0] > 0, 1, -1),
        "random": random.choice([-1, 1], n),
        "rare": np.where(np.arange(n) % 300 == 7, 1, -1),
        "right": np.where(random.random(n) < 0.5, 0, np.where(z[:, 1] > 0, 1, -1)),
    }
    table = make_table(
        [f"{i:03d}" for i in range(n)],
        ["train"] * 600 + ["test"] * 300,
        [None] * n,
        {name: values.astype(np.int8) for name, values in attributes.items()},
    )
    pixels = pixels.clip(0, 255).astype(np.uint8)
    info = SetInfo("halves", "", Fit(16, background=(0, 0, 0), channels=1), (), fingerprint(pixels, table))
    return ImageSet(pixels, table, info)


class PaintedWardrobe(Wardrobe):
    """A wardrobe whose decoder paints halves, and whose directions are as given, for any method."""

    def __init__(self, shift: float = 0, **vectors: list[float]) -> None:
        self.run = Run(Path("halves"))
        self.model = Painter()
        self.shift = shift
        self.found = {}
        for name, vector in vectors.items():
            unit = np.array(vector, np.float32) / np.linalg.norm(vector).astype(np.float32)
            self.found[name] = Direction(name, "any", unit, 1.0, 1, 1, 1.0, 1.0, 1.0, 1.0)

    def directions(self, method: str = "partial") -> dict[str, Direction]:
        return self.found

    def decode(self, z: np.ndarray) -> np.ndarray:
        return (painted(torch.from_numpy(z + self.shift)).permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)

    def prior(self, kind: str | None = None) -> StandardNormal:
        return StandardNormal(2)


def true_latents(part: ImageSet) -> np.ndarray:
    """The true latents of images of halves."""
    bright = part.images.astype(np.float64).reshape(-1, 16, 2, 8).mean(axis=(1, 3)) / 255
    return (np.log(bright.clip(0.01, 0.99) / (1 - bright.clip(0.01, 0.99))) / 2).astype(np.float32)
