"""Priors fitted to where the training images lie, after training: what makes a plain autoencoder a generator.

Both are fitted to standardised latents: their mean taken off, and turned and scaled so that they have unit covariance.
A flow begins as the identity, and so as the Gaussian with the latents' own mean and covariance; a mixture of one
component is that Gaussian. Where the posteriors are areas, what is fitted are draws from them, z ~ q(z|x), new ones
each epoch: that is the distribution which the decoder was trained on.

One latent in ten is kept from the fit: by it the number of components is chosen, and when to stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.errors import ArmoireError, did_you_mean
from armoire.progress import SILENT, Progress
from armoire.wardrobe.latents import Latents
from armoire.wardrobe.priors import FITTED, Prior

KEPT_APART = 10  # every tenth latent
FEWEST = 20  # latents that say anything of a distribution
COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
LATENTS_FOR_MIXTURE = 20_000  # more say little of a few thousand parameters, and cost time
PER_PARAMETER = 2  # values at least for each parameter of a mixture
STEPS = 4000
BATCH = 256
LARGEST_RATE = 2e-3
LOOKS = 20  # at the latents kept apart, evenly over the steps
PATIENCE = 4  # looks without gain
AUTOREGRESSIVE = 32  # dimensions; with more, drawing one after the other takes long
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


def make_network(latent: int, width: int, transforms: int, passes: int, seed: int = 0) -> nn.Module:
    """A neural spline flow over d dimensions that is still N(0, I), its hidden weights drawn from a seed.

    Args:
        latent: d.
        width: units of each of the two hidden layers.
        transforms: how many transformations follow each other.
        passes: steps in which one is inverted: d, one dimension after the other, or 2, one half given the other.
        seed: of the initial weights.
    """
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


def fit_prior(kind: str, latents: Latents, seed: int = 0, progress: Progress = SILENT) -> tuple[Prior, dict[str, Any]]:
    """Fit a prior to training latents.

    Args:
        kind: `gmm` or `flow`.
        latents: of the training images.
        seed: of the fit.
        progress: where to report.

    Returns:
        The prior, and what came of it on the latents kept apart: `held_out`, how many; `log_prob`, its mean log p(z)
        in nats; `log_prob_normal`, that of N(0, I); and of a mixture `by_components`.

    Raises:
        ArmoireError: no such kind, too few latents, or latents that are not finite.
    """
    if kind not in FITTED:
        raise ArmoireError(f"no prior '{kind}' can be fitted; {did_you_mean(kind, FITTED)}")
    if len(latents) < FEWEST:
        raise ArmoireError(f"{len(latents)} training latents are too few to fit a prior to; train on {FEWEST} or more")
    if not np.isfinite(latents.mean).all():
        raise ArmoireError("no prior can be fitted: some latents are not finite; train again with a smaller --lr")
    apart = np.arange(len(latents)) % KEPT_APART == KEPT_APART - 1
    fit = _fit_mixture if kind == "gmm" else _fit_flow
    shown, held_out = _Cloud(latents, ~apart), _Cloud(latents, apart)
    return fit(shown, held_out, np.random.default_rng(seed), seed, progress)


class _Cloud:
    """Draws from the posteriors of some rows of latents."""

    def __init__(self, latents: Latents, rows: np.ndarray) -> None:
        self.mean = latents.mean[rows]
        self.spread = None if latents.log_var is None else np.exp(0.5 * latents.log_var[rows])

    def __len__(self) -> int:
        return len(self.mean)

    def draw(self, random: np.random.Generator, rows: np.ndarray | slice = slice(None)) -> Float[np.ndarray, "n d"]:
        """One z of each row; the point itself where the posteriors are points."""
        mean = self.mean[rows]
        if self.spread is None:
            return mean
        return mean + self.spread[rows] * random.standard_normal(mean.shape, dtype=np.float32)


def _fit_mixture(
    shown: _Cloud, held_out: _Cloud, random: np.random.Generator, seed: int, progress: Progress
) -> tuple[Prior, dict[str, Any]]:
    from sklearn.mixture import GaussianMixture

    rows = np.sort(random.permutation(len(shown))[:LATENTS_FOR_MIXTURE])
    z, apart = shown.draw(random, rows), held_out.draw(random)
    standard = Standard.of(z)
    white, white_apart = standard.whiten(z).astype(np.float64), standard.whiten(apart).astype(np.float64)
    n, d = z.shape
    scores: dict[int, float] = {}
    best: Any = None
    most = [k for k in COMPONENTS if k == 1 or k * (d + 1) * (d + 2) / 2 * PER_PARAMETER <= n * d]
    with progress.task("fitting a mixture", len(most), "sizes") as task:
        for k in most:
            fitted = _quietly(
                GaussianMixture(k, reg_covar=1e-4, max_iter=100, init_params="k-means++", random_state=seed), white
            )
            scores[k] = float(fitted.score(white_apart))
            task.advance(log_prob=scores[k])
            if best is None or scores[k] > scores[best.n_components]:
                best = fitted
            elif k >= 4 * best.n_components:
                break
    prior = Mixture(standard, best.weights_, best.means_, np.linalg.cholesky(best.covariances_))
    by_components = {str(k): score - standard.log_volume for k, score in scores.items()}
    return prior, _facts(prior, apart) | {"by_components": by_components}


def _quietly(mixture: Any, white: np.ndarray) -> Any:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is judged by the latents kept apart, not by its steps
        return mixture.fit(white)


def _fit_flow(
    shown: _Cloud, held_out: _Cloud, random: np.random.Generator, seed: int, progress: Progress
) -> tuple[Prior, dict[str, Any]]:
    standard = Standard.of(shown.draw(random))
    apart = held_out.draw(random)
    n, d = shown.mean.shape
    shape = {
        "latent": d,
        "width": 64 if d <= 4 else 128 if d <= 64 else 256,
        "transforms": 4,
        "passes": d if d <= AUTOREGRESSIVE else 2,
    }
    network = make_network(**shape, seed=seed)
    white_apart = torch.from_numpy(standard.whiten(apart))
    optimizer = torch.optim.AdamW(network.parameters(), lr=LARGEST_RATE, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=STEPS + 1)
    best, kept, since = _mean_log_prob(network, white_apart), _copied(network), 0
    batches = _batches(shown, standard, random, min(BATCH, n))
    with progress.task("fitting a flow", STEPS, "steps") as task:
        for step in range(STEPS):
            loss = -network().log_prob(next(batches)).mean()
            if torch.isfinite(loss):
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
            rates.step()
            if (step + 1) % (STEPS // LOOKS):
                task.advance()
                continue
            score = _mean_log_prob(network, white_apart)
            task.advance(log_prob=score)
            since += 1
            if score > best:
                best, kept, since = score, _copied(network), 0
            if since >= PATIENCE:
                break
    network.load_state_dict(kept)
    prior = Flow(standard, network.requires_grad_(False), shape)
    return prior, _facts(prior, apart)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@torch.no_grad()
def _mean_log_prob(network: nn.Module, white: Tensor) -> float:
    return float(torch.cat([network().log_prob(part) for part in white.split(DRAWN_AT_ONCE)]).double().mean())


def _batches(cloud: _Cloud, standard: Standard, random: np.random.Generator, size: int) -> Iterator[Tensor]:
    while True:
        order = random.permutation(len(cloud))
        for start in range(0, len(order) - size + 1, size):
            yield torch.from_numpy(standard.whiten(cloud.draw(random, order[start : start + size])))


def _facts(prior: Prior, apart: np.ndarray) -> dict[str, Any]:
    from armoire.wardrobe.priors import StandardNormal

    normal = StandardNormal(apart.shape[1])
    return {
        "held_out": len(apart),
        "log_prob": float(prior.log_prob(apart).mean()),
        "log_prob_normal": float(normal.log_prob(apart).mean()),
    }


def _kept(standard: Standard) -> dict[str, Tensor]:
    return {"mean": torch.from_numpy(standard.mean), "spread": torch.from_numpy(standard.spread)}


def _parts(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), DRAWN_AT_ONCE):
        yield values[start : start + DRAWN_AT_ONCE]
