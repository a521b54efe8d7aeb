"""A neural spline flow over whitened latents; it starts as the identity, and so as their own Gaussian."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.extras import needs
from armoire.priors.normal import fit_report
from armoire.priors.prior import LatentDraws, Prior
from armoire.priors.whitening import Whitening
from armoire.progress import Progress

STEPS = 4000
FEWEST_STEPS = 200  # of few latents; up to STEPS there is one step a latent, since more do not help held-out ones
BATCH = 256
LARGEST_RATE = 2e-3
EVALUATIONS = 20  # on the held-out latents, evenly over the steps
PATIENCE = 4  # evaluations without improvement
AUTOREGRESSIVE = 32  # dimensions; with more, sampling one after the other takes long
LARGEST = 1 << 28  # values in a state
DRAWN_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Flow(Prior):
    """A neural spline flow over whitened latents (arXiv:1906.04032). A temperature T scales its base noise."""

    whitening: Whitening
    network: nn.Module  # zuko's NSF, in evaluation mode, on the CPU
    settings: dict[str, int]  # the arguments of `make_network`
    name = "a neural spline flow"
    is_stored = True

    @property
    def dimensions(self) -> int:
        return len(self.whitening.mean)

    @classmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        """Maximum likelihood by AdamW, on new draws each epoch, stopped where held-out latents no longer improve."""
        whitening = Whitening.of(train.draw(random))
        apart = held_out.draw(random)
        n, d = train.mean.shape
        settings = {
            "latent": d,
            "width": 64 if d <= 4 else 128 if d <= 64 else 256,
            "transforms": 4,
            "passes": d if d <= AUTOREGRESSIVE else 2,
        }
        network = make_network(**settings, seed=seed)
        steps = min(STEPS, max(FEWEST_STEPS, n + len(held_out)))
        batches = _batches(train, whitening, random, min(BATCH, n))
        _maximise_likelihood(network, batches, torch.from_numpy(whitening.whiten(apart)), steps, progress)
        prior = cls(whitening, network.requires_grad_(False), settings)
        return prior, fit_report(prior, apart)

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        noise = (temperature * random.standard_normal((n, self.dimensions))).astype(np.float32)
        with torch.no_grad():
            inverse = self.network().transform.inv
            drawn = torch.cat([inverse(part) for part in torch.from_numpy(noise).split(DRAWN_AT_ONCE)])
        return self.whitening.restore(drawn.numpy())

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        return _log_prob(self.network, torch.from_numpy(self.whitening.whiten(z))).numpy() - self.whitening.log_det

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        weights = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return self.whitening.tensors() | weights, self.settings

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], settings: dict[str, int], latent: int) -> Prior:
        names = {"latent", "width", "transforms", "passes"}
        if set(settings) != names or not all(type(value) is int for value in settings.values()):
            raise ValueError("its settings cannot be read")
        width = settings["width"]
        if settings["latent"] != latent or not (1 <= width <= 4096 and 1 <= settings["transforms"] <= 64):
            raise ValueError("its settings are not those of a prior of this model")
        # Checked before a network is made: a header of some bytes could ask for any amount of memory.
        if sum(t.numel() for t in tensors.values()) > LARGEST or width > max(len(t) for t in tensors.values()):
            raise ValueError("its settings are not those of its weights")
        whitening = Whitening.from_tensors(tensors, latent)
        network = make_network(**settings)
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        for name, tensor in weights.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise ValueError(f"{name} is not finite")
        network.load_state_dict(weights)
        return cls(whitening, network.requires_grad_(False).eval(), settings)


def check_installed() -> None:
    """Raise ArmoireError where zuko, which makes flows, is not installed."""
    with needs("a prior of kind flow", "flow", "or use gmm or normal, which need no extra"):
        import zuko  # noqa: F401


def make_network(latent: int, width: int, transforms: int, passes: int, seed: int = 0) -> nn.Module:
    """A neural spline flow over d = `latent` dimensions that is still the identity, its hidden weights from a seed.

    Each of the `transforms` has two hidden layers of `width` units and is inverted in `passes` steps: d, one dimension
    after the other, or 2, one half given the other.
    """
    check_installed()
    from zuko.flows import NSF

    with torch.random.fork_rng(devices=[]):  # its layers take no generator
        torch.manual_seed(seed)
        network = NSF(latent, transforms=transforms, passes=passes, hidden_features=(width, width)).eval()
    # With spline parameters of 0 each spline is a straight line.
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for parameter in module[-1].parameters():
                nn.init.zeros_(parameter)
        elif isinstance(module, nn.ParameterList):
            for parameter in module:
                nn.init.zeros_(parameter)
    return network


def _maximise_likelihood(
    network: nn.Module, batches: Iterator[Tensor], held_out: Tensor, steps: int, progress: Progress
) -> None:
    """Train a flow, and leave it with the weights that gave held-out latents the highest mean log p(z)."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=LARGEST_RATE, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps + 1)
    best, weights, since = float(_log_prob(network, held_out).mean()), deepcopy(network.state_dict()), 0
    with progress.task("fitting a flow", steps, "steps") as task:
        for step in range(steps):
            loss = -network().log_prob(next(batches)).mean()
            if torch.isfinite(loss):
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
            rates.step()
            if (step + 1) % (steps // EVALUATIONS):
                task.advance()
                continue
            score = float(_log_prob(network, held_out).mean())
            task.advance(log_prob=score)
            since += 1
            if score > best:
                best, weights, since = score, deepcopy(network.state_dict()), 0
            if since >= PATIENCE:
                break
    network.load_state_dict(weights)


@torch.no_grad()
def _log_prob(network: nn.Module, white: Tensor) -> Tensor:
    return torch.cat([network().log_prob(part) for part in white.split(DRAWN_AT_ONCE)]).double()


def _batches(draws: LatentDraws, whitening: Whitening, random: np.random.Generator, size: int) -> Iterator[Tensor]:
    while True:
        permutation = random.permutation(len(draws))
        for start in range(0, len(permutation) - size + 1, size):
            yield torch.from_numpy(whitening.whiten(draws.draw(random, permutation[start : start + size])))
