"""Whitening: the affine map under which latents have mean 0 and covariance I."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.priors.prior import finite_array

SMALLEST = 1e-3  # of the largest standard deviation: a thinner direction is rounding noise, which is not amplified


@dataclass(frozen=True, eq=False)
class Whitening:
    """z = mean + white @ matrix."""

    mean: Float[np.ndarray, " d"]
    matrix: Float[np.ndarray, "d d"]  # its rows are the principal axes times the standard deviation along them

    @classmethod
    def of(cls, z: Float[np.ndarray, "n d"]) -> Whitening:
        """The whitening of n latents."""
        return cls.of_moments(
            z.mean(axis=0, dtype=np.float64), np.atleast_2d(np.cov(z, rowvar=False, dtype=np.float64))
        )

    @classmethod
    def of_moments(cls, mean: Float[np.ndarray, " d"], covariance: Float[np.ndarray, "d d"]) -> Whitening:
        """The whitening of latents with this mean and covariance."""
        variances, axes = np.linalg.eigh(covariance)
        deviations = np.sqrt(np.maximum(variances, 0))
        if not deviations.max() > 0:
            raise ArmoireError("no prior can be fitted: all latents are equal; train with a smaller --beta")
        deviations = np.maximum(deviations, SMALLEST * deviations.max())
        return cls(mean, deviations[:, None] * axes.T)

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent: int) -> Whitening:
        """What `tensors` returned; errors as `finite_array`."""
        return cls(finite_array(tensors, "mean", (latent,)), finite_array(tensors, "matrix", (latent, latent)))

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": torch.from_numpy(self.mean), "matrix": torch.from_numpy(self.matrix)}

    @property
    def log_det(self) -> float:
        """log |det matrix|: log p(z) = log p(white) - log_det."""
        return float(np.linalg.slogdet(self.matrix)[1])

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.matrix)

    def whiten(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        return ((z - self.mean) @ self._inverse).astype(np.float32)

    def restore(self, white: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        return (self.mean + white.astype(np.float64) @ self.matrix).astype(np.float32)
