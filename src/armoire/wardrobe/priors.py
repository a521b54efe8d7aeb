"""Where to draw from when something new is wanted."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from armoire.errors import ArmoireError, did_you_mean

PRIORS = ("normal", "box")


class Prior(abc.ABC):
    """A distribution over the latent space."""

    #: What it is, in words for a caption.
    name: str

    @abc.abstractmethod
    def sample(self, n: int, random: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """Draw n latents, float32."""


@dataclass(frozen=True)
class StandardNormal(Prior):
    """N(0, I): what a VAE's areas were kept close to (S14)."""

    latent: int
    name = "N(0, I)"

    def sample(self, n: int, random: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """Draw n latents."""
        return random.standard_normal((n, self.latent)).astype(np.float32)


@dataclass(frozen=True)
class Box(Prior):
    """Uniform in the bounding box of the embeddings: all that one can do with a plain autoencoder (S12)."""

    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    name = "the bounding box of the embeddings"

    def sample(self, n: int, random: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """Draw n latents."""
        return random.uniform(self.low, self.high, (n, len(self.low))).astype(np.float32)


def make_prior(kind: str | None, posterior: str, latent: int, held_out: Callable[[], np.ndarray]) -> Prior:
    """A prior by name; by default `normal` for a VAE and `box` for an autoencoder, which has no other.

    Args:
        kind: `normal`, `box`, or None for the default.
        posterior: `point` or `gaussian`.
        latent: d.
        held_out: gives the embeddings (n, d) of the held-out images, where they are needed.
    """
    kind = kind or ("normal" if posterior == "gaussian" else "box")
    if kind == "normal":
        return StandardNormal(latent)
    if kind == "box":
        embeddings = held_out()
        return Box(embeddings.min(axis=0), embeddings.max(axis=0))
    raise ArmoireError(f"no prior '{kind}'; {did_you_mean(kind, PRIORS)}")
