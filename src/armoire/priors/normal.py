"""Normal distributions: N(0, I), the prior that a VAE is trained with, and the Gaussian of given latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from armoire.priors.prior import LatentDraws, Prior
from armoire.priors.whitening import Whitening
from armoire.progress import Progress

MOST_LATENTS = 20_000  # more add little to a covariance


@dataclass(frozen=True)
class StandardNormal(Prior):
    """N(0, I), to which a VAE's rate draws its posteriors. A temperature T makes it N(0, T^2 I)."""

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

    @classmethod
    def fit_class(cls, train: LatentDraws, held_out: LatentDraws, **settings: Any) -> tuple[Prior, dict[str, Any]]:
        """The Gaussian of the class, since N(0, I) has no classes."""
        return Gaussian.fit(train, held_out, **settings)

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        return (temperature * random.standard_normal((n, self.latent))).astype(np.float32)

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """-(|z|^2 + d log 2 pi) / 2."""
        return -0.5 * (np.square(z, dtype=np.float64).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Gaussian(Prior):
    """N(mean, C) of given latents. A temperature T makes it N(mean, T^2 C).

    C is their covariance, shrunk towards a multiple of I by as much as their number asks for (Ledoit and Wolf 2004), so
    that it has a density even where there are fewer latents than dimensions.
    """

    whitening: Whitening
    name = "the Gaussian of the latents"

    @property
    def dimensions(self) -> int:
        return len(self.whitening.mean)

    @classmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        prior = cls.of(train.draw(random, random.permutation(len(train))[:MOST_LATENTS]))
        return prior, fit_report(prior, held_out.draw(random))

    @classmethod
    def of(cls, z: Float[np.ndarray, "n d"]) -> Gaussian:
        """The Gaussian of n latents."""
        from sklearn.covariance import LedoitWolf

        fitted = LedoitWolf().fit(z.astype(np.float64))
        return cls(Whitening.of_moments(fitted.location_, fitted.covariance_))

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        return self.whitening.restore(temperature * random.standard_normal((n, self.dimensions)))

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        return StandardNormal(self.dimensions).log_prob(self.whitening.whiten(z)) - self.whitening.log_det


def fit_report(prior: Prior, held_out: Float[np.ndarray, "n d"], **more: Any) -> dict[str, Any]:
    """How well a prior fits held-out draws, compared with N(0, I): mean log p(z) of both, in nats."""
    normal = StandardNormal(held_out.shape[1])
    with np.errstate(invalid="ignore"):  # a degenerate density is inf at some draws and -inf at others
        log_prob, log_prob_normal = (float(kind.log_prob(held_out).mean()) for kind in (prior, normal))
    return {"held_out": len(held_out), "log_prob": log_prob, "log_prob_normal": log_prob_normal} | more
