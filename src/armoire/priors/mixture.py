"""A mixture of Gaussians over whitened latents; one component is the Gaussian with their mean and covariance."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armoire.priors.normal import fit_report
from armoire.priors.prior import LatentDraws, Prior, finite_array
from armoire.priors.whitening import Whitening
from armoire.progress import Progress

COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
MOST_LATENTS = 20_000  # more add little to a few thousand parameters, and cost time
PER_PARAMETER = 2  # values at least for each parameter of a mixture


@dataclass(frozen=True, eq=False)
class Mixture(Prior):
    """sum_k w_k N(m_k, L_k L_k^T) over whitened latents. A temperature T scales the components' standard deviations."""

    whitening: Whitening
    weights: Float[np.ndarray, " k"]
    means: Float[np.ndarray, "k d"]
    factors: Float[np.ndarray, "k d d"]  # L_k, lower triangular
    is_stored = True

    @property
    def name(self) -> str:  # type: ignore[override]
        k = len(self.weights)
        return f"a mixture of {k} Gaussian{'s' * (k != 1)}"

    @property
    def dimensions(self) -> int:
        return self.means.shape[1]

    @classmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        """The number of components with the highest log p(z) of held-out latents; `by_components` reports each."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        rows = np.sort(random.permutation(len(train))[:MOST_LATENTS])
        z, apart = train.draw(random, rows), held_out.draw(random)
        whitening = Whitening.of(z)
        white, white_apart = whitening.whiten(z).astype(np.float64), whitening.whiten(apart).astype(np.float64)
        n, d = z.shape
        scores: dict[int, float] = {}
        best: Any = None
        sizes = [k for k in COMPONENTS if k == 1 or k * (d + 1) * (d + 2) / 2 * PER_PARAMETER <= n * d]
        with progress.task("fitting a mixture", len(sizes), "sizes") as task:
            for k in sizes:
                model = GaussianMixture(k, reg_covar=1e-4, max_iter=100, init_params="k-means++", random_state=seed)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # held-out latents decide, not convergence
                    model.fit(white)
                scores[k] = float(model.score(white_apart))
                task.advance(log_prob=scores[k])
                if best is None or scores[k] > scores[best.n_components]:
                    best = model
                elif k >= 4 * best.n_components:
                    break
        prior = cls(whitening, best.weights_, best.means_, np.linalg.cholesky(best.covariances_))
        by_components = {str(k): score - whitening.log_det for k, score in scores.items()}
        return prior, fit_report(prior, apart, by_components=by_components)

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        which = random.choice(len(self.weights), n, p=self.weights / self.weights.sum())
        noise = temperature * random.standard_normal((n, self.means.shape[1]))
        drawn = np.empty_like(noise)
        for k in np.unique(which):
            rows = which == k
            drawn[rows] = self.means[k] + noise[rows] @ self.factors[k].T
        return self.whitening.restore(drawn)

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log sum_k w_k N(white; m_k, C_k) - log_det."""
        from scipy.linalg import solve_triangular
        from scipy.special import logsumexp

        white, d = self.whitening.whiten(z).astype(np.float64), z.shape[1]
        logs = []
        for weight, mean, factor in zip(self.weights, self.means, self.factors, strict=True):
            residuals = solve_triangular(factor, (white - mean).T, lower=True)
            log_det = np.log(np.diag(factor)).sum()
            logs.append(np.log(weight) - 0.5 * (np.square(residuals).sum(axis=0) + d * math.log(2 * math.pi)) - log_det)
        return np.asarray(logsumexp(np.stack(logs), axis=0)) - self.whitening.log_det

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        arrays = {"weights": self.weights, "means": self.means, "factors": self.factors}
        tensors = {name: torch.from_numpy(array.astype(np.float64)) for name, array in arrays.items()}
        return self.whitening.tensors() | tensors, {}

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], settings: dict[str, int], latent: int) -> Prior:
        k = len(tensors["weights"])
        weights = finite_array(tensors, "weights", (k,))
        if k == 0 or (weights < 0).any() or not np.isclose(weights.sum(), 1):
            raise ValueError("its weights do not add up to 1")
        means = finite_array(tensors, "means", (k, latent))
        factors = finite_array(tensors, "factors", (k, latent, latent))
        return cls(Whitening.from_tensors(tensors, latent), weights, means, factors)
