"""Priors that were fitted: a mixture of Gaussians and a neural spline flow, both over standardised latents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.errors import ArmoireError
from armoire.extras import needs
from armoire.wardrobe.priors import Prior

SMALLEST_SPREAD = 1e-3  # of the largest: a thinner direction is noise of rounding, and is not blown up to a unit
DRAWN_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Standard:
    """The affine map between latents and standardised ones, z = mean + whitened @ spread.

    Attributes:
        mean: (d,).
        spread: (d, d), its rows the principal axes times the standard deviation along them.
    """

    mean: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, "d d"]

    @classmethod
    def of(cls, z: Float[np.ndarray, "n d"]) -> Standard:
        """That under which z has mean 0 and covariance I."""
        mean = z.mean(axis=0, dtype=np.float64)
        covariance = np.atleast_2d(np.cov(z, rowvar=False, dtype=np.float64))
        variances, axes = np.linalg.eigh(covariance)
        deviations = np.sqrt(np.maximum(variances, 0))
        if not deviations.max() > 0:
            raise ArmoireError("no prior can be fitted: all latents lie at one place; train with a smaller --beta")
        deviations = np.maximum(deviations, SMALLEST_SPREAD * deviations.max())
        return cls(mean, deviations[:, None] * axes.T)

    @property
    def log_volume(self) -> float:
        """log |det|: what a unit of whitened volume is in latent volume."""
        return float(np.linalg.slogdet(self.spread)[1])

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.spread)

    def whiten(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Latents to standardised ones."""
        return ((z - self.mean) @ self._inverse).astype(np.float32)

    def restore(self, whitened: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """And back."""
        return (self.mean + whitened.astype(np.float64) @ self.spread).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Mixture(Prior):
    """sum_k w_k N(m_k, C_k) over standardised latents. A temperature T scales every component's spread.

    Attributes:
        standard: how latents are standardised.
        weights: (k,), adding up to 1.
        means: (k, d).
        factors: (k, d, d), Cholesky factors of the covariances, C = L L^T.
    """

    standard: Standard
    weights: Float[np.ndarray, " k"]
    means: Float[np.ndarray, "k d"]
    factors: Float[np.ndarray, "k d d"]

    @property
    def name(self) -> str:  # type: ignore[override]
        """What it is, in words for a caption."""
        k = len(self.weights)
        return f"a mixture of {k} Gaussian{'s' * (k != 1)}"

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """Draw n latents."""
        which = random.choice(len(self.weights), n, p=self.weights / self.weights.sum())
        noise = temperature * random.standard_normal((n, self.means.shape[1]))
        drawn = np.empty_like(noise)
        for k in np.unique(which):
            rows = which == k
            drawn[rows] = self.means[k] + noise[rows] @ self.factors[k].T
        return self.standard.restore(drawn)

    def log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log sum_k w_k N(z; m_k, C_k)."""
        from scipy.linalg import solve_triangular
        from scipy.special import logsumexp

        white, d = self.standard.whiten(z).astype(np.float64), z.shape[1]
        logs = []
        for weight, mean, factor in zip(self.weights, self.means, self.factors, strict=True):
            gaps = solve_triangular(factor, (white - mean).T, lower=True)
            volume = np.log(np.diag(factor)).sum()
            logs.append(np.log(weight) - 0.5 * (np.square(gaps).sum(axis=0) + d * math.log(2 * math.pi)) - volume)
        return np.asarray(logsumexp(np.stack(logs), axis=0)) - self.standard.log_volume

    def tensors(self) -> dict[str, Tensor]:
        """What is kept of it in a file."""
        arrays = {"weights": self.weights, "means": self.means, "factors": self.factors}
        return _kept(self.standard) | {name: torch.from_numpy(a.astype(np.float64)) for name, a in arrays.items()}


@dataclass(frozen=True, eq=False)
class Flow(Prior):
    """A neural spline flow over standardised latents (Durkan et al. 2019, arXiv:1906.04032).

    A temperature T scales the noise that it is drawn from.

    Attributes:
        standard: how latents are standardised.
        network: zuko's NSF, in evaluation mode, on the CPU.
        shape: what `make_network` made it of.
    """

    standard: Standard
    network: nn.Module
    shape: dict[str, int]
    name = "a neural spline flow"

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """Draw n latents."""
        noise = (temperature * random.standard_normal((n, len(self.standard.mean)))).astype(np.float32)
        with torch.no_grad():
            inverse = self.network().transform.inv
            drawn = [inverse(torch.from_numpy(part)).numpy() for part in _parts(noise)]
        return self.standard.restore(np.concatenate([noise[:0], *drawn]))

    def log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log p(z), exact."""
        white = self.standard.whiten(z)
        with torch.no_grad():
            logs = [self.network().log_prob(torch.from_numpy(part)).double().numpy() for part in _parts(white)]
        return np.concatenate([np.empty(0), *logs]) - self.standard.log_volume

    def tensors(self) -> dict[str, Tensor]:
        """What is kept of it in a file."""
        return _kept(self.standard) | {f"network.{name}": t for name, t in self.network.state_dict().items()}


def check_flow() -> None:
    """Raise where no flow can be made or read.

    Raises:
        ArmoireError: zuko is not installed.
    """
    with needs("a prior of kind flow", "flow", "or use gmm or normal, which need no extra"):
        import zuko  # noqa: F401


def make_network(latent: int, width: int, transforms: int, passes: int, seed: int = 0) -> nn.Module:
    """A neural spline flow over d dimensions that is still N(0, I), its hidden weights drawn from a seed.

    Args:
        latent: d.
        width: units of each of the two hidden layers.
        transforms: how many transformations follow each other.
        passes: steps in which one is inverted: d, one dimension after the other, or 2, one half given the other.
        seed: of the initial weights.

    Raises:
        ArmoireError: zuko is not installed.
    """
    check_flow()
    from zuko.flows import NSF

    with torch.random.fork_rng(devices=[]):  # its layers take no generator
        torch.manual_seed(seed)
        network = NSF(latent, transforms=transforms, passes=passes, hidden_features=(width, width)).eval()
    # All that shapes the splines is 0: each is a straight line, and the flow the normal distribution.
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for parameter in module[-1].parameters():
                nn.init.zeros_(parameter)
        elif isinstance(module, nn.ParameterList):
            for parameter in module:
                nn.init.zeros_(parameter)
    return network


def _kept(standard: Standard) -> dict[str, Tensor]:
    return {"mean": torch.from_numpy(standard.mean), "spread": torch.from_numpy(standard.spread)}


def _parts(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), DRAWN_AT_ONCE):
        yield values[start : start + DRAWN_AT_ONCE]
