"""Learning rate and beta as pure functions of the step."""

from __future__ import annotations

import math

from armoire.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of a step, from 0, out of `total`.

    `one-cycle` is the shape of arXiv:1708.07120: linearly up to `lr` over `warmup` of the steps, then half a cosine
    down to 0.
    """
    if recipe.schedule == "constant":
        return recipe.lr
    up = recipe.warmup * total
    if step < up:
        return recipe.lr * (step + 1) / (up + 1)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - up) / max(1.0, total - up)))


def beta_at(recipe: Recipe, step: int, total: int) -> float:
    """The weight of the rate at a step, from 0, out of `total`.

    It rises linearly from 0 to `beta` over `beta_warmup` of each of `beta_cycles` equal parts of the training:
    one cycle is the KL warm-up of arXiv:1511.06349, several are the cyclical schedule of arXiv:1903.10145.
    """
    cycle = total / recipe.beta_cycles
    rise = recipe.beta_warmup * cycle
    return recipe.beta * min(1.0, (step % cycle) / rise) if rise else recipe.beta
