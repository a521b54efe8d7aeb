"""Principal components of images, from which linear maps start."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 0.01  # of a component's variance is kept as signal: a map of zeros would not learn


@dataclass(frozen=True)
class PrincipalComponents:
    """The k first principal components of images of p values, in [0, 1].

    Attributes:
        mean: of the images.
        directions: of unit length, orthogonal.
        variances: of the images along them, the largest first.
        rest: the variance of each dimension orthogonal to them, a mean over all these.
    """

    mean: Float[Tensor, " p"]
    directions: Float[Tensor, "k p"]
    variances: Float[Tensor, " k"]
    rest: float

    def to(self, device: torch.device) -> PrincipalComponents:
        tensors = (self.mean.to(device), self.directions.to(device), self.variances.to(device))
        return PrincipalComponents(*tensors, self.rest)

    def maps(self, beta: float) -> tuple[Float[Tensor, "k p"], Float[Tensor, "p k"], Float[Tensor, " k"]]:
        """The best linear VAE: x - mean to the posterior's mean, z to x - mean, and the posterior's log-variance.

        z_k = (v_k - s)^(1/2) / v_k * direction_k . (x - mean), with the variance s / v_k, and back x - mean = sum_k
        (v_k - s)^(1/2) z_k direction_k; v_k is a component's variance and s = beta * rest (Tipping and Bishop 1999,
        Probabilistic Principal Component Analysis, eqs. 6 to 9; Lucas et al. 2019, arXiv:1911.02469, on the VAE).
        """
        noise = torch.clamp((1 - LEAST) * self.variances, max=beta * self.rest)
        signal = (self.variances - noise).sqrt()
        to_latent = (signal / self.variances)[:, None] * self.directions
        return to_latent, signal * self.directions.T, torch.log(noise / self.variances)
