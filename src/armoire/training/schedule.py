"""Learning rates as pure functions of the step."""

from __future__ import annotations

import math

from armoire.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of one step out of `total`.

    `one-cycle` is the shape of arXiv:1708.07120: linearly up to `lr` over `warmup` of the steps, then half a cosine
    down to 0.
    """
    if recipe.schedule == "constant":
        return recipe.lr
    up = recipe.warmup * total
    if step < up:
        return recipe.lr * (step + 1) / (up + 1)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - up) / max(1.0, total - up)))
