"""The uniform distribution over the bounding box of latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from armoire.priors.normal import fit_report
from armoire.priors.prior import LatentDraws, Prior
from armoire.progress import Progress


@dataclass(frozen=True)
class Box(Prior):
    """Uniform in the bounding box of the embeddings, as published; a temperature scales it about its centre."""

    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    name = "the bounding box of the embeddings"

    @property
    def dimensions(self) -> int:
        return len(self.low)

    @classmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        prior = cls(held_out.mean.min(axis=0), held_out.mean.max(axis=0))
        return prior, fit_report(prior, held_out.draw(random))

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        centre = (self.low + self.high) / 2
        drawn = random.uniform(self.low, self.high, (n, len(self.low)))
        return (drawn if temperature == 1 else centre + temperature * (drawn - centre)).astype(np.float32)

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """-log of the box's volume inside, -inf outside; inf inside a box without volume."""
        inside = ((z >= self.low) & (z <= self.high)).all(axis=1)
        with np.errstate(divide="ignore"):  # a dimension that is the same for every image
            return np.where(inside, -np.log(self.high.astype(np.float64) - self.low).sum(), -np.inf)
