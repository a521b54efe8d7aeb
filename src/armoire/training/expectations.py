"""What to expect of a training, from its numbers of images and steps, reported before it starts."""

from __future__ import annotations

from armoire.training.recipe import Recipe

FOR_A_MAP = 200  # training images; with fewer, few images have a true neighbour
FOR_NEW_IMAGES = 2000  # training images; with fewer, samples are blurs or near-copies
FEWEST_STEPS = 1000  # with fewer, reconstructions are still blurred, whatever the settings
ENOUGH_STEPS = 2000


def expectations(recipe: Recipe, images: int, steps: int) -> list[str]:
    """One line on what the numbers of training images and steps suffice for, and a warning for too few steps."""
    counted = f"{images:,} training images, {steps:,} steps"
    if images < FOR_A_MAP:
        lines = [f"{counted}: few for a map and neighbours, which take a few hundred images; new images a few thousand"]
    elif images < FOR_NEW_IMAGES:
        lines = [f"{counted}: enough images for a map and neighbours; good new images take a few thousand"]
    else:
        lines = [f"{counted}: enough images for a map, neighbours and new images"]
    if steps < FEWEST_STEPS:
        lines.append(
            f"warning: {steps:,} steps are too few to learn much; --epochs {longer(recipe, steps)} gives "
            f"about {ENOUGH_STEPS:,}"
        )
    return lines


def longer(recipe: Recipe, steps: int) -> int:
    """Epochs for about ENOUGH_STEPS steps, where the recipe's epochs are `steps`."""
    return -(-ENOUGH_STEPS * recipe.epochs // max(1, steps))
