"""What every kind of prior provides: p(z), its samples and its density."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from armoire.checks import as_latents
from armoire.progress import Progress

#: The share of images decoded from latents (n, d) that are nearer to a training image than held-out images are.
CopyShare = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class LatentDraws:
    """The posteriors q(z|x) of n images, to draw latents from."""

    mean: Float[np.ndarray, "n d"]
    log_var: Float[np.ndarray, "n d"] | None  # None where the posteriors are points

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
    #: Whether `log_prob` is defined.
    has_density: ClassVar[bool] = True
    #: Whether its samples are combinations of training latents: it is stored without them, and `fit` takes `copied`.
    needs_latents: ClassVar[bool] = False
    #: Its name in a caption.
    name: str

    @property
    @abc.abstractmethod
    def dimensions(self) -> int:
        """Number of latent dimensions, d."""

    @classmethod
    @abc.abstractmethod
    def fit(
        cls, train: LatentDraws, held_out: LatentDraws, *, random: np.random.Generator, seed: int, progress: Progress
    ) -> tuple[Prior, dict[str, Any]]:
        """The prior that fits training latents, and its `fit_report` on held-out ones, which may select it.

        `random` draws samples; `seed` is that of everything else.
        """

    @classmethod
    def fit_class(cls, train: LatentDraws, held_out: LatentDraws, **settings: Any) -> tuple[Prior, dict[str, Any]]:
        """What `fit` returns, of the latents of one class; another kind where this one has no parameters to fit."""
        return cls.fit(train, held_out, **settings)

    def with_latents(self, train: LatentDraws) -> Prior:
        """A prior that `needs_latents`, over those of all training images."""
        return self

    @abc.abstractmethod
    def sample(self, n: int, random: np.random.Generator, temperature: float = 1.0) -> Float[np.ndarray, "n d"]:
        """n latents, float32; a temperature below 1 concentrates them, one above 1 spreads them."""

    def log_prob(self, z: Any) -> Float[np.ndarray, " n"]:
        """log p(z) in nats, of latents (n, d) or one (d,); errors as `as_latents`."""
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

        KeyError, TypeError, ValueError or RuntimeError where it is not the state of such a prior over `latent`
        dimensions.
        """
        raise NotImplementedError(f"{cls.__name__} is not stored")


def finite_array(tensors: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of an untrusted state as float64; KeyError or ValueError unless it is finite and of this shape."""
    array = tensors[name].numpy()
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite or not of shape {shape}")
    return array.astype(np.float64)
