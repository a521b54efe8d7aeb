"""Priors fitted to where the training images lie, after training: what makes a plain autoencoder a generator.

Both are fitted to standardised latents: their mean taken off, and turned and scaled so that they have unit covariance.
A flow begins as the identity, and so as the Gaussian with the latents' own mean and covariance; a mixture of one
component is that Gaussian. Where the posteriors are areas, what is fitted are draws from them, z ~ q(z|x), new ones
each epoch: that is the distribution which the decoder was trained on.

One latent in ten is kept from the fit: by it the number of components is chosen, and when to stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.errors import ArmoireError, did_you_mean
from armoire.progress import SILENT, Progress
from armoire.wardrobe.fitted import DRAWN_AT_ONCE, Flow, Mixture, Standard, make_network
from armoire.wardrobe.latents import Latents
from armoire.wardrobe.priors import FITTED, Prior, StandardNormal

KEPT_APART = 10  # every tenth latent
FEWEST = 20  # latents that say anything of a distribution
COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
LATENTS_FOR_MIXTURE = 20_000  # more say little of a few thousand parameters, and cost time
PER_PARAMETER = 2  # values at least for each parameter of a mixture
STEPS = 4000
FEWEST_STEPS = 200  # of a few latents; up to STEPS a step a latent, for those held out gain nothing from more
BATCH = 256
LARGEST_RATE = 2e-3
LOOKS = 20  # at the latents kept apart, evenly over the steps
PATIENCE = 4  # looks without gain
AUTOREGRESSIVE = 32  # dimensions; with more, drawing one after the other takes long


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
    steps = min(STEPS, max(FEWEST_STEPS, n + len(held_out)))
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps + 1)
    best, kept, since = _mean_log_prob(network, white_apart), _copied(network), 0
    batches = _batches(shown, standard, random, min(BATCH, n))
    with progress.task("fitting a flow", steps, "steps") as task:
        for step in range(steps):
            loss = -network().log_prob(next(batches)).mean()
            if torch.isfinite(loss):
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
            rates.step()
            if (step + 1) % (steps // LOOKS):
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
    normal = StandardNormal(apart.shape[1])
    return {
        "held_out": len(apart),
        "log_prob": float(prior.log_prob(apart).mean()),
        "log_prob_normal": float(normal.log_prob(apart).mean()),
    }
