from __future__ import annotations

import pytest

from armoire.training.expectations import ENOUGH_STEPS, expectations
from armoire.training.history import jump
from armoire.training.recipe import load_recipe

RECIPE = load_recipe("images-vae")


@pytest.mark.parametrize(
    ("images", "steps", "words", "epochs"),
    [
        (54, 40, "few for a map", 1000),
        (360, 240, "enough images for a map and neighbours", 167),
        (3407, 2140, "a map, neighbours and new images", None),
        (60_000, 37_500, "a map, neighbours and new images", None),
    ],
)
def test_what_images_and_steps_can_give(images, steps, words, epochs):
    first, *warnings = expectations(RECIPE, images, steps)
    assert words in first
    assert first.startswith(f"{images:,} training images, {steps:,} steps")
    assert [f"--epochs {epochs} " in line for line in warnings] == ([] if epochs is None else [True])
    assert epochs is None or epochs * steps / RECIPE.epochs >= ENOUGH_STEPS


def row(rate: float, objective: float = -5000.0, held_out: float | None = None) -> dict[str, float]:
    rates = {"train_rate_nats": rate, "test_rate_nats": rate if held_out is None else held_out}
    return rates | {"train_objective_nats": objective, "test_objective_nats": objective}


@pytest.mark.parametrize(
    ("now", "past", "warned"),
    [
        (row(150), [row(449), row(105), row(113)], ""),
        (row(603_312), [row(150)] * 7, "train rate is 603,312 nats, before it was 150"),
        (row(150, held_out=603_312), [row(150)] * 7, "test rate is 603,312"),
        (row(70_000), [row(150)] * 4 + [row(603_312)], "train rate is 70,000"),  # still far off, an epoch later
        (row(400), [], ""),
        (row(1e6), [], "train rate is 1,000,000"),
        (row(30), [row(0.01)], ""),  # a posterior that no longer collapses
        (row(150, objective=9000), [row(150)] * 3, "train objective is 9,000 nats, before it was -5,000"),
        (row(150, objective=-4000), [row(150)] * 3, ""),
    ],
)
def test_a_jump_is_warned_of(now, past, warned):
    found = jump(RECIPE, now, past, "test", values=64 * 64 * 3)
    assert warned in found
    assert bool(found) == bool(warned)
    assert not found or "--lr" in found
