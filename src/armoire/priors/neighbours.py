"""Averages of training latents and their nearest neighbours: draws that stay where the data are."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.priors.prior import CopyShare, LatentDraws, Prior, finite_array
from armoire.priors.whitening import Whitening
from armoire.progress import Progress

AMONG = (5, 10, 20, 50, 100, 300, 1000, 0)  # nearest neighbours that an average draws from; 0: all other latents
WAYS = ((2, 0), (4, 1))  # count and dirichlet of an `Averaging`
MOST_COPIES = 0.10  # of the samples
CHECKED = 400  # samples decoded for each number of neighbours
NEAR = 0.01  # of the held-out images are as near to a training image as what counts as a copy
DESPITE = 20  # neighbours at most where every number gives too many copies: averages of others are overlaid images
UNCHECKED = 100  # neighbours where copies cannot be counted
DRAWS = 2000  # averages whose spread, and distance to held-out latents, are measured
SMALLEST = 1e-6  # standard deviation that is restored
LARGEST = 1 << 20  # number in stored settings


class Combinations(NamedTuple):
    """m averages, and what each is made of."""

    z: Float[np.ndarray, "m d"]
    rows: Int[np.ndarray, "m k"]  # of the latents; the others are neighbours of the first
    weights: Float[np.ndarray, "m k"]  # add up to 1


@dataclass(frozen=True)
class Averaging:
    """Which latents are averaged, and how."""

    count: int  # a latent, and count - 1 of its neighbours
    dirichlet: int  # 1: weights are drawn from Dirichlet(1, .., 1); 0: they are equal
    among: int  # nearest neighbours that the others are drawn from; 0: all other latents
    restored: int  # 1: each dimension has the standard deviation of the latents; 0: that of the averages, less

    def draw(
        self,
        latents: Float[np.ndarray, "n d"],
        first: Int[np.ndarray, " m"],
        near: Int[np.ndarray, "m k"],
        random: np.random.Generator,
    ) -> Combinations:
        """Averages of the latents `first` and of some of those `near` to each, sorted by distance."""
        n, m, others = len(latents), len(first), self.count - 1
        if 0 < self.among < n - 1:
            chosen = np.take_along_axis(near, _distinct(self.among, m, others, random), axis=1)
        else:
            chosen = (first[:, None] + 1 + _distinct(n - 1, m, others, random)) % n
        rows = np.concatenate([first[:, None], chosen], axis=1)
        equal = np.full((m, self.count), 1 / self.count)
        weights = random.dirichlet(np.ones(self.count), m) if self.dirichlet else equal
        averages = np.einsum("mk,mkd->md", weights.astype(np.float32), latents[rows])
        return Combinations(averages, rows, weights)


@dataclass(frozen=True, eq=False)
class NeighbourAverages(Prior):
    """z = mean + scale * (sum_i w_i z_i - mean), z_1 a training latent, z_2.. some of its neighbours, sum_i w_i = 1.

    The interpolation of SMOTE (Chawla et al. 2002, arXiv:1106.1813), between neighbours in whitened latents.
    scale = std(z) / std(averages) restores the spread that averages lose, in each dimension. A temperature T multiplies
    the distance to the mean.
    """

    latents: Float[np.ndarray, "n d"]
    whitening: Whitening
    scale: Float[np.ndarray, " d"]
    averaging: Averaging
    is_stored, has_density, needs_latents = True, False, True

    @property
    def name(self) -> str:  # type: ignore[override]
        near = f", each and its {self.averaging.among} nearest" if self.averaging.among else ""
        return f"averages of {self.averaging.count} training latents{near}"

    @property
    def dimensions(self) -> int:
        return len(self.scale)

    @classmethod
    def fit(
        cls,
        train: LatentDraws,
        held_out: LatentDraws,
        *,
        random: np.random.Generator,
        seed: int,
        progress: Progress,
        copied: CopyShare | None = None,
    ) -> tuple[Prior, dict[str, Any]]:
        """The fewest neighbours with at most 10 % copies, averaged in the way that is most like held-out latents.

        Fewer neighbours give truer samples, and more copies. These are counted with `copied`, among 400 samples, and
        their standard error is added; where it is not given, 100 neighbours are taken. Where every number gives too
        many, as with a few hundred images, it is the one of at most 20 with the fewest, and a note says so.

        The report: `held_out`; `averaging`, the settings; `copies`, their share of copies or None; `tried`, the best
        settings of each number of neighbours, with `copies` and `distance`, the energy distance between whitened
        samples and held-out latents.
        """
        z = train.mean
        whitening, first = Whitening.of(z), random.integers(0, len(z), DRAWS)
        apart = whitening.whiten(held_out.mean[random.permutation(len(held_out))[:DRAWS]])
        near = nearest_others(whitening.whiten(z), first, max(AMONG))
        least, sufficient = 1 if copied else UNCHECKED, _sufficient(len(held_out))
        tried: list[dict[str, Any]] = []
        priors: list[NeighbourAverages] = []
        numbers = [k for k in AMONG if k == 0 or least <= k < len(z) - 1]
        with progress.task("choosing neighbours to average", len(numbers), "numbers") as task:
            for among in numbers:
                found = []
                for averaging in (Averaging(*way, among, restored) for way in WAYS for restored in (1, 0)):
                    averages = averaging.draw(z, first, near, random).z
                    scale = _restoring(z, averages) if averaging.restored else np.ones(z.shape[1])
                    prior = cls(z, whitening, scale, averaging)
                    found.append((_energy_distance(whitening.whiten(prior._scaled(averages)), apart), prior, averages))
                distance, prior, averages = min(found, key=lambda entry: entry[0])
                copies = copied(prior._scaled(averages[:CHECKED])) if copied else None
                priors.append(prior)
                tried.append(asdict(prior.averaging) | {"distance": distance, "copies": copies})
                task.advance(copies=copies or 0.0)
                if copies is None or copies <= sufficient:
                    break
        best = len(tried) - 1
        if (tried[best]["copies"] or 0) > sufficient:
            few = [k for k in range(len(tried)) if 0 < tried[k]["among"] <= DESPITE] or range(len(tried))
            best = min(few, key=lambda k: (tried[k]["copies"], k))
        if (copies := tried[best]["copies"]) is not None and copies > MOST_COPIES:
            share = f"{copies:.0%} of {priors[best].name}"
            progress.note(f"{share} are nearer to a training image than held-out images are")
        averaging = asdict(priors[best].averaging)
        return priors[best], {"held_out": len(held_out), "averaging": averaging, "copies": copies, "tried": tried}

    def with_latents(self, train: LatentDraws) -> Prior:
        return replace(self, latents=train.mean)

    def draw(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Combinations:
        """n samples, and what each is made of."""
        first = random.integers(0, len(self.latents), n)
        near = nearest_others(self._white, first, self.averaging.among)
        found = self.averaging.draw(self.latents, first, near, random)
        return found._replace(z=self._scaled(found.z, temperature))

    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        return self.draw(n, random, temperature).z

    def _scaled(self, averages: Float[np.ndarray, "m d"], temperature: float = 1.0) -> Float[np.ndarray, "m d"]:
        mean = self.whitening.mean
        return (mean + temperature * self.scale * (averages - mean)).astype(np.float32)

    @cached_property
    def _white(self) -> Float[np.ndarray, "n d"]:
        return self.whitening.whiten(self.latents)

    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        raise ArmoireError(f"{self.name} have no density; use a prior that has one: gmm, flow or normal")

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        return self.whitening.tensors() | {"scale": torch.from_numpy(self.scale)}, asdict(self.averaging)

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], settings: dict[str, int], latent: int) -> Prior:
        averaging = Averaging(**settings)
        if not all(type(value) is int and 0 <= value <= LARGEST for value in settings.values()):
            raise ValueError("its settings are not whole numbers in range")
        if not 2 <= averaging.count <= min(max(count for count, _ in WAYS), (averaging.among or LARGEST) + 1):
            raise ValueError(f"it takes averages of {averaging.count} latents")
        scale = finite_array(tensors, "scale", (latent,))
        return cls(np.empty((0, latent), np.float32), Whitening.from_tensors(tensors, latent), scale, averaging)


def _sufficient(held_out: int) -> float:
    """The share of copies that is 10 % or less up to its standard error: of the samples, and of the few near images."""
    error = math.sqrt(MOST_COPIES * (1 - MOST_COPIES) / CHECKED + MOST_COPIES**2 / max(1, NEAR * held_out))
    return max(MOST_COPIES / 2, MOST_COPIES - error)


def nearest_others(z: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " m"], k: int) -> Int[np.ndarray, "m k"]:
    """The k latents nearest to each of some rows, without itself; all others, n - 1, where there are no more."""
    from sklearn.neighbors import NearestNeighbors

    if not len(rows) or not (k := min(k, len(z) - 1)):
        return np.empty((len(rows), k), np.int64)
    different, of = np.unique(rows, return_inverse=True)
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(z)
    found = search.kneighbors(z[different], return_distance=False)
    # Of equal latents, another may come first.
    return np.stack([near[near != row][:k] for near, row in zip(found, different, strict=True)])[of]


def _distinct(n: int, m: int, k: int, random: np.random.Generator) -> Int[np.ndarray, "m k"]:
    """k different numbers below n, m times."""
    return np.array([random.choice(n, k, replace=False) for _ in range(m)], np.int64).reshape(m, k)


def _restoring(z: Float[np.ndarray, "n d"], averages: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " d"]:
    """std(z) / std(averages) of each dimension; 1 where they do not vary."""
    spread, less = (values.std(axis=0, dtype=np.float64) for values in (z, averages))
    return np.divide(spread, less, out=np.ones_like(spread), where=less > SMALLEST)


def _energy_distance(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'|, 0 for equal distributions (Szekely and Rizzo 2013)."""
    from scipy.spatial.distance import cdist

    within = (float(cdist(z, z).sum()) / max(1, len(z) * (len(z) - 1)) for z in (x, y))
    return 2 * float(cdist(x, y).mean()) - sum(within)
