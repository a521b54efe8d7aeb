"""Posteriors q(z|x). A new kind is one class, registered in `armoire.model.kinds.POSTERIORS`."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Posterior(abc.ABC):
    """Abstract q(z|x) of n images over d dimensions; a subclass is a dataclass of the tensors named in `parameters`.

    Attributes:
        mean: E[z|x].
        log_var: the logarithm of the variance of each dimension; None where `is_stochastic` is False.
    """

    is_stochastic: ClassVar[bool]  # whether z differs from `mean`
    parameters: ClassVar[tuple[str, ...]]  # what the encoder outputs, each (n, d), by one dense layer each
    default_prior: ClassVar[str]  # what new z are drawn from before a prior was fitted
    model_name: ClassVar[str]  # what a model with this posterior is called

    mean: Float[Tensor, "n d"]
    log_var: Float[Tensor, "n d"] | None

    @abc.abstractmethod
    def sample(self, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """One z for each image, a differentiable function of the parameters and of noise ~ N(0, I)."""

    @abc.abstractmethod
    def rate(self) -> Float[Tensor, " n"]:
        """KL(q(z|x) || N(0, I)) in nats per image, summed over all dimensions."""

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log q(z|x) in nats; only where `is_stochastic`."""
        raise NotImplementedError(f"{type(self).__name__} has no density")


@dataclass(frozen=True)
class Point(Posterior):
    """q(z|x) = delta(z - mean), the posterior of an autoencoder: z is the mean, and the rate is 0."""

    is_stochastic, parameters, default_prior = False, ("mean",), "box"
    model_name = "autoencoder"

    mean: Float[Tensor, "n d"]
    log_var: ClassVar[None] = None  # pyright: ignore[reportIncompatibleVariableOverride]

    def sample(self, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return self.mean

    def rate(self) -> Float[Tensor, " n"]:
        return torch.zeros_like(self.mean[:, 0])


@dataclass(frozen=True)
class DiagonalGaussian(Posterior):
    """q(z|x) = N(mean, diag(exp(log_var))), the posterior of a variational autoencoder, arXiv:1312.6114."""

    is_stochastic, parameters, default_prior = True, ("mean", "log_var"), "normal"
    model_name = "variational autoencoder"

    mean: Float[Tensor, "n d"]
    log_var: Float[Tensor, "n d"]  # pyright: ignore[reportIncompatibleVariableOverride]

    def sample(self, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """z = mean + exp(log_var / 2) * noise, the reparameterisation."""
        return self.mean + torch.exp(self.log_var / 2) * noise

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        gaps = (z - self.mean).square() * torch.exp(-self.log_var)
        return -0.5 * (gaps + self.log_var + math.log(2 * math.pi)).sum(dim=1)

    def rate(self) -> Float[Tensor, " n"]:
        """-1/2 * sum_d (1 + log_var - mean^2 - exp(log_var)), appendix B of arXiv:1312.6114."""
        return -0.5 * (1 + self.log_var - self.mean.square() - self.log_var.exp()).sum(dim=1)


class Head(nn.Module):
    """Features (n, f) to a posterior, with one dense layer for each of its parameters."""

    def __init__(self, features: int, latent: int, posterior: type[Posterior]) -> None:
        super().__init__()
        self.posterior = posterior
        for name in posterior.parameters:
            setattr(self, name, nn.Linear(features, latent))

    def forward(self, features: Float[Tensor, "n f"]) -> Posterior:
        return self.posterior(**{name: getattr(self, name)(features) for name in self.posterior.parameters})
