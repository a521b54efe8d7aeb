"""The images that a training learns from, those that choose among its weights, and those that measure it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from armoire.images import ImageSet
from armoire.training.batches import Batches
from armoire.training.randomness import permutation
from armoire.training.recipe import Recipe

MOST = 1000  # images of a measurement that is repeated: a mean over more is no better to choose by
FEWEST = 10  # training images; of fewer, none is spared for validation


@dataclass(frozen=True)
class Parts:
    """The images of one training.

    Attributes:
        train: the training split, or as many as the recipe's limit.
        rows: those of `train` that are trained on, int64 (n,).
        validation: drawn with the seed from the valid split, or from `train` where there is none, or it is held out.
        held_out: what is measured, but never chosen by; the whole split where the length is in epochs.
    """

    train: Batches
    rows: Int64[Tensor, " n"]
    validation: Batches | None
    held_out: Batches
    batch: int
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, images: ImageSet, device: torch.device, mapped: bool = False) -> Parts:
        """The parts of a data set; `mapped` keeps the training and held-out images in their file."""
        train, rows, apart = set_apart(recipe, images)
        validation = None if apart is None else Batches(apart.images, device)
        held_out = images.split(images.held_out).draw(None if recipe.epochs else MOST, recipe.seed)
        return cls(
            Batches(train.images, device, mapped),
            torch.from_numpy(rows),
            validation,
            Batches(held_out.images, device, mapped),
            recipe.batch,
            recipe.seed,
        )

    @property
    def measured(self) -> int:
        """Images of a measurement."""
        return len(self.held_out) + len(self.validation or ())

    def __len__(self) -> int:
        """Images that are trained on."""
        return len(self.rows)

    @cached_property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; a last batch of one image, which has no statistics to normalise by, is left out."""
        return max(1, -(-(len(self) - (len(self) % self.batch == 1)) // self.batch))

    def of_step(self, step: int) -> Int64[Tensor, " m"]:
        """The rows of `train` of a step, counted from 0 over all epochs."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self.rows[_order(self.seed, epoch, len(self))[position * self.batch : (position + 1) * self.batch]]

    def epochs(self, steps: int) -> float:
        """Epochs in a number of steps; an int where they are whole."""
        whole, rest = divmod(steps, self.steps_per_epoch)
        return round(steps / self.steps_per_epoch, 3) if rest else whole

    def images(self, steps: int) -> int:
        """Images that the model sees in a number of steps."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return epochs * min(len(self), self.steps_per_epoch * self.batch) + rest * self.batch


def set_apart(recipe: Recipe, images: ImageSet) -> tuple[ImageSet, Int64[np.ndarray, " n"], ImageSet | None]:
    """The training images that the recipe draws, the rows of them that are trained on, and the validation images."""
    train = images.split("train").draw(recipe.limit, recipe.seed)
    rows = np.arange(len(train))
    if not recipe.validation or len(train) < FEWEST:
        return train, rows, None
    n = min(MOST, math.ceil(recipe.validation * len(train)))
    if "valid" in images.splits and images.held_out != "valid":
        return train, rows, images.split("valid").draw(n, recipe.seed)
    # Not by class, as `limit` draws: labels never train.
    chosen = np.sort(np.random.default_rng(recipe.seed).permutation(len(train))[:n])
    return train, np.delete(rows, chosen), train.take(chosen)


_order = lru_cache(1)(permutation)
