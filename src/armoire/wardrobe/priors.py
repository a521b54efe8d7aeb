"""Where to draw from when something new is wanted."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

#: Those that need no fitting, and those that do.
GIVEN = ("normal", "box")
FITTED = ("gmm", "flow")
PRIORS = (*GIVEN, *FITTED)


class Prior(abc.ABC):
    """A distribution over the latent space."""

    #: What it is, in words for a caption.
    name: str

    @abc.abstractmethod
    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """Draw n latents, float32; below a temperature of 1 nearer to where most lie, above it farther away."""

    def log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log p(z) in nats."""
        raise NotImplementedError


@dataclass(frozen=True)
class StandardNormal(Prior):
    """N(0, I): what a VAE's areas were kept close to (S14). A temperature T makes it N(0, T^2 I)."""

    latent: int
    name = "N(0, I)"

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """Draw n latents."""
        return (temperature * random.standard_normal((n, self.latent))).astype(np.float32)

    def log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """-(|z|^2 + d log 2 pi) / 2."""
        return -0.5 * (np.square(z, dtype=np.float64).sum(axis=1) + z.shape[1] * np.log(2 * np.pi))


@dataclass(frozen=True)
class Box(Prior):
    """Uniform in the bounding box of the embeddings: all that one can do with a plain autoencoder (S12).

    A temperature makes the box smaller or larger about its middle.
    """

    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    name = "the bounding box of the embeddings"

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """Draw n latents."""
        middle = (self.low + self.high) / 2
        drawn = random.uniform(self.low, self.high, (n, len(self.low)))
        return (drawn if temperature == 1 else middle + temperature * (drawn - middle)).astype(np.float32)

    def log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Minus the log of the box's volume, -inf outside."""
        inside = ((z >= self.low) & (z <= self.high)).all(axis=1)
        return np.where(inside, -np.log(self.high.astype(np.float64) - self.low).sum(), -np.inf)
