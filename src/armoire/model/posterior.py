"""Posteriors q(z|x): where an image lies in the latent space, and how sure that is.

A head is the last layer of an encoder; it returns a posterior, not a tuple. A new kind is one class of each here.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.model.draws import Draws, normal_like


class Posterior(abc.ABC):
    """Abstract posterior q(z|x) of n images over d latent dimensions."""

    mean: Float[Tensor, "n d"]

    @abc.abstractmethod
    def sample(self, generator: Draws = None) -> Float[Tensor, "n d"]:
        """Draw one z an image."""

    @abc.abstractmethod
    def rate(self) -> Float[Tensor, " n"]:
        """What the place costs, in nats per image: KL(q(z|x) || N(0, I)), summed over all latent dimensions."""


@dataclass(frozen=True)
class Point(Posterior):
    """A point in the latent space, q(z|x) = delta(z - mean): the posterior of an autoencoder, whose rate is 0."""

    mean: Float[Tensor, "n d"]

    def sample(self, generator: Draws = None) -> Float[Tensor, "n d"]:
        """The point itself; nothing is drawn."""
        return self.mean

    def rate(self) -> Float[Tensor, " n"]:
        """Zero: no area is charged for."""
        return torch.zeros_like(self.mean[:, 0])


@dataclass(frozen=True)
class DiagonalGaussian(Posterior):
    """q(z|x) = N(mean, diag(exp(log_var))): the posterior of a variational autoencoder, arXiv:1312.6114."""

    mean: Float[Tensor, "n d"]
    log_var: Float[Tensor, "n d"]

    def sample(self, generator: Draws = None) -> Float[Tensor, "n d"]:
        """z = mean + exp(log_var / 2) * eps, eps ~ N(0, I): the reparameterisation, so that gradients pass."""
        return self.mean + torch.exp(self.log_var / 2) * normal_like(self.mean, generator)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log q(z|x) in nats."""
        gaps = (z - self.mean).square() * torch.exp(-self.log_var)
        return -0.5 * (gaps + self.log_var + math.log(2 * math.pi)).sum(dim=1)

    def rate(self) -> Float[Tensor, " n"]:
        """-1/2 * sum_d (1 + log_var - mean^2 - exp(log_var)), appendix B of arXiv:1312.6114."""
        return -0.5 * (1 + self.log_var - self.mean.square() - self.log_var.exp()).sum(dim=1)


class PointHead(nn.Module):
    """Features (n, f) to a Point over d dimensions."""

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.mean = nn.Linear(features, latent)

    def forward(self, features: Float[Tensor, "n f"]) -> Point:
        """Place each image at a point."""
        return Point(self.mean(features))


class DiagonalGaussianHead(nn.Module):
    """Features (n, f) to a DiagonalGaussian over d dimensions, with one dense layer for each of its parameters."""

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.mean = nn.Linear(features, latent)
        self.log_var = nn.Linear(features, latent)

    def forward(self, features: Float[Tensor, "n f"]) -> DiagonalGaussian:
        """Give each image an area."""
        return DiagonalGaussian(self.mean(features), self.log_var(features))


HEADS: dict[str, type[nn.Module]] = {"point": PointHead, "gaussian": DiagonalGaussianHead}
