"""What every kind of prior provides: p(z), its samples and its density."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from armoire.checks import as_latents
from armoire.progress import Progress

DRAWN_AT_ONCE = 4096


@dataclass(frozen=True)
class LatentDraws:
    """The posteriors of n images, to draw latents from.

    Attributes:
        mean: (n, d), the mean of q(z|x).
        log_var: (n, d), its log-variance; None where the posteriors are points.
    """

    mean: Float[np.ndarray, "n d"]
    log_var: Float[np.ndarray, "n d"] | None

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows: np.ndarray | slice) -> LatentDraws:
        return LatentDraws(self.mean[rows], None if self.log_var is None else self.log_var[rows])

    def draw(self, random: np.random.Generator, rows: np.ndarray | slice = slice(None)) -> Float[np.ndarray, "n d"]:
        """One z ~ q(z|x) of each row; the mean where posteriors are points."""
        mean = self.mean[rows]
        if self.log_var is None:
            return mean
        return mean + np.exp(0.5 * self.log_var[rows]) * random.standard_normal(mean.shape, dtype=np.float32)


class Prior(abc.ABC):
    """A distribution p(z) over latents of d dimensions.

    A new kind is one file: a subclass with `fit`, `sample` and `_log_prob`, and a line in
    `armoire.priors.kinds`, or `PRIORS.register`, or an entry point of the group `armoire.priors`.
    One that is trained, and therefore stored in a run, also has `state` and `from_state`.
    """

    #: Whether it is fitted on request and stored in the run; the others are made from the latents in no time.
    is_stored: ClassVar[bool] = False
    #: Its name in a caption.
    name: str

    @property
    @abc.abstractmethod
    def dimensions(self) -> int:
        """d."""

    @classmethod
    @abc.abstractmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        """The prior that fits training latents, and its `fit_report` on held-out ones.

        Args:
            train: what to fit it to.
            held_out: what to select a model or a stopping point by.
            random: draws samples.
            seed: of everything that is not drawn from `random`.
            progress: where to report.
        """

    @abc.abstractmethod
    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """n latents, float32; a temperature below 1 concentrates them, one above 1 spreads them."""

    def log_prob(self, z: Any) -> Float[np.ndarray, " n"]:
        """log p(z) in nats, of latents (n, d) or one (d,).

        Raises:
            ArmoireError: they have other dimensions, or are not finite numbers.
        """
        return self._log_prob(as_latents(z, self.dimensions))

    @abc.abstractmethod
    def _log_prob(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log p(z) of latents that were checked."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Its tensors, and the whole numbers that `from_state` needs besides them."""
        raise NotImplementedError(f"{self.name} is not stored")

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], settings: dict[str, int], latent: int) -> Prior:
        """The prior of a `state`, which may come from an untrusted file.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: it is not the state of such a prior over `latent` dimensions.
        """
        raise NotImplementedError(f"{cls.__name__} is not stored")


def fit_report(prior: Prior, held_out: Float[np.ndarray, "n d"], **more: Any) -> dict[str, Any]:
    """How well a prior fits held-out draws, compared with N(0, I): mean log p(z) of both, in nats."""
    normal = -0.5 * (np.square(held_out, dtype=np.float64).sum(axis=1) + held_out.shape[1] * np.log(2 * np.pi))
    with np.errstate(invalid="ignore"):  # a degenerate density is inf at some draws and -inf at others
        log_prob = float(prior.log_prob(held_out).mean())
    return {
        "held_out": len(held_out),
        "log_prob": log_prob,
        "log_prob_normal": float(normal.mean()),
    } | more


def finite_array(tensors: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of an untrusted state as float64.

    Raises:
        KeyError, ValueError: it is missing, of another shape, or not finite.
    """
    array = tensors[name].numpy()
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite or not of shape {shape}")
    return array.astype(np.float64)
