"""One optimiser step: forward, objective, backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.errors import ArmoireError
from armoire.model import Autoencoder, Terms
from armoire.training.adversary import Adversary
from armoire.training.augmentation import augment
from armoire.training.batches import Batches
from armoire.training.distributed import DistributedContext
from armoire.training.optimizer_state import pack_optimizer, unpack_optimizer, with_prefix
from armoire.training.randomness import generator, normal_like
from armoire.training.recipe import Recipe
from armoire.training.schedule import Length, beta_at, learning_rate
from armoire.training.weight_average import WeightAverage


@dataclass(frozen=True)
class StepDone:
    """An optimiser step, as `on_step` receives it.

    Attributes:
        step: steps done, from 1, counted over all epochs.
        total: steps of the whole training; where it is as long as some minutes, an estimate.
        model: with this step's weights, in training mode.
        terms: of this process's rows of the batch, before the step.
        objective: this process's part of the batch's mean objective in nats; the parts of all processes add up.
        beta: the weight of the rate in this step.
        learning_rate: in this step.
    """

    step: int
    total: int
    model: Autoencoder
    terms: Terms
    objective: Tensor
    beta: float
    learning_rate: float


def corrupt(x: Float[Tensor, "n c h w"], level: float, noise: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """x + level * noise, clamped to [0, 1] like stored pixels."""
    return torch.add(x, noise, alpha=level).clamp_(0, 1)


def forward(
    terms: Callable[..., Terms],
    x: Float[Tensor, "n c h w"],
    recipe: Recipe,
    draws: torch.Generator,
    rows: slice = slice(None),
    batch: int | None = None,
) -> Terms:
    """The terms of images under a recipe, with noise on the input where it has any, and one z per image.

    `terms` is `Autoencoder.terms`, or a wrapper of it; `draws`, `rows` and `batch` are as in `normal_like`.
    """
    corrupted = None
    if recipe.noise:
        corrupted = corrupt(x, recipe.noise, normal_like(x, draws, rows, batch))
    return terms(x, normal_like(x.new_empty(len(x), recipe.dimensions), draws, rows, batch), corrupted)


class _TermsModule(nn.Module):
    """`Autoencoder.terms` as a module's forward, which DistributedDataParallel needs."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, noise: Tensor, corrupted: Tensor | None) -> Terms:
        return self.model.terms(x, noise, corrupted)


class Stepper:
    """A model, its optimiser and, where the recipe has one, its critic."""

    def __init__(self, model: Autoencoder, recipe: Recipe, distributed: DistributedContext) -> None:
        self.model, self.recipe, self.distributed = model, recipe, distributed
        self._terms = distributed.parallel(_TermsModule(model))
        self.adversary = self._make_adversary()
        self.average = WeightAverage(model, recipe.average)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr, fused=model.device.type != "mps")

    def _make_adversary(self) -> Adversary | None:
        recipe = self.recipe
        if not recipe.adversarial:
            return None
        if self.distributed.size > 1:
            raise ArmoireError(
                f"recipe {recipe.name} has a critic, which is trained in one process only; start it without "
                "torchrun, or with --set adversarial=0"
            )
        return Adversary(self.model.architecture.image_channels, recipe.adversarial, recipe.seed, self.model.device)

    def step(self, images: Batches, indices: Tensor, step: int, length: Length) -> StepDone:
        """Train on a batch, the images at int64 indices (n,); `step` is counted from 0."""
        recipe, n = self.recipe, len(indices)
        position, total = length.position, length.total
        lr, beta = learning_rate(recipe, position, total), beta_at(recipe, position, total)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        rows = self.distributed.share(n)
        x = images.batch(indices[rows])
        if recipe.flip or recipe.shift:
            x = augment(x, recipe, self._draws("augmentation", step), rows, n)
        draws = self._draws("step", step)
        terms = forward(self._terms, x, recipe, draws, rows, n)
        loss = terms.objective(beta).sum() / n
        self.optimizer.zero_grad()
        if self.adversary and position >= recipe.adversarial_from * total:
            self.adversary.step(x, terms, self.model.likelihood, beta, lr)
        else:
            (loss * self.distributed.size).backward()  # gradients are averaged over processes: their parts add up
        if recipe.clip:  # after the averaging: every process scales by the same norm
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimizer.step()
        self.average.update(step)
        return StepDone(step + 1, length.steps(step + 1), self.model, terms, loss.detach(), beta, lr)

    def _draws(self, purpose: str, step: int) -> torch.Generator:
        return generator(self.recipe.seed, purpose, step, self.model.device)

    def pack(self) -> dict[str, Tensor]:
        """Weights, their average and optimiser state as named tensors."""
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()} | pack_optimizer(self.optimizer)
        tensors |= {f"average.{name}": t for name, t in self.average.values.items()}
        return tensors | ({f"adversary.{n}": t for n, t in self.adversary.pack().items()} if self.adversary else {})

    def unpack(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state of `pack`."""
        self.model.load_state_dict(with_prefix(tensors, "model"))
        self.average.load_into(self.average.values, with_prefix(tensors, "average"))
        unpack_optimizer(self.optimizer, with_prefix(tensors, "optimizer"))
        if self.adversary:
            self.adversary.unpack(with_prefix(tensors, "adversary"))
