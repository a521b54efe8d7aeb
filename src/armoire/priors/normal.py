"""N(0, I), the prior that a VAE is trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from armoire.priors.prior import LatentDraws, Prior, fit_report
from armoire.progress import Progress


@dataclass(frozen=True)
class StandardNormal(Prior):
    """N(0, I), which a VAE's posteriors are kept close to (S14). A temperature T makes it N(0, T^2 I)."""

    latent: int
    name = "N(0, I)"

    @property
    def dimensions(self) -> int:
        return self.latent

    @classmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        prior = cls(train.mean.shape[1])
        return prior, fit_report(prior, held_out.draw(random))

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        return (temperature * random.standard_normal((n, self.latent))).astype(np.float32)

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """-(|z|^2 + d log 2 pi) / 2."""
        return -0.5 * (np.square(z, dtype=np.float64).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))
