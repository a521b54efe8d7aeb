"""What a training reports: what to expect of it, and each epoch's measurements in columns with their units."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median

from armoire.training.averages import Averages, published_scale
from armoire.training.recipe import Recipe
from armoire.training.schedule import beta_at, learning_rate

FOR_A_MAP = 200  # training images; with fewer, few images have a true neighbour
FOR_NEW_IMAGES = 2000  # training images; with fewer, samples are blurs or near-copies
FEWEST_STEPS = 1000  # with fewer, reconstructions are still blurred, whatever the settings
ENOUGH_STEPS = 2000
SUDDEN = 10  # times the usual rate
NOTICEABLE = 0.1  # nats per pixel value: a smaller rate jumps for many reasons, such as the end of a collapse
SMALLER = 4  # divisor of the learning rate in the advice


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


def measured(recipe: Recipe, split: str, averages: Averages) -> dict[str, float]:
    """The columns of one split: nats per image and, where the recipe has one, its published scale."""
    row = {f"{split}_{key}_nats": getattr(averages, key) for key in ("distortion", "rate", "objective")}
    if published := published_scale(recipe, averages):
        row |= {f"{split}_published_{key}": value for key, value in asdict(published).items()}
    return row


def schedules(recipe: Recipe, step: int, total: int) -> dict[str, float]:
    """The columns of what changes from step to step: the learning rate and, where it has a schedule, beta."""
    row = {"learning_rate": learning_rate(recipe, step, total)}
    return row | ({"beta": beta_at(recipe, step, total)} if recipe.beta_warmup else {})


def epoch_line(recipe: Recipe, split: str, row: dict[str, float], held_out: Averages) -> str:
    published = published_scale(recipe, held_out)
    in_published = f", published scale {published.total_loss:.4g}" if published else ""
    return (
        f"epoch {row['epoch']}/{recipe.epochs}: {split} distortion {held_out.distortion:.1f}, rate {held_out.rate:.2f} "
        f"nats{in_published}; {row['images_per_second']:,.0f} images/s"
    )


def jump(recipe: Recipe, row: dict[str, float], past: list[dict[str, float]], split: str, values: int) -> str:
    """A warning for an epoch's line where its rate or objective is absurd, though finite; "" otherwise.

    The rate is absurd at 10 times the median of the epochs before (in the first epoch: at 1 nat per pixel value), the
    objective at 1 nat per pixel value above the best before. With a beta schedule the rate is not checked. `row` is the
    epoch's, `past` are those before it, and `values` is the number of pixel values in an image.
    """
    for part in ("train", split):
        rate, objective = f"{part}_rate_nats", f"{part}_objective_nats"
        usual = median(before[rate] for before in past) if past else values / SUDDEN
        if not recipe.beta_warmup and row[rate] > max(SUDDEN * usual, NOTICEABLE * values):
            what = f"the {part} rate is {row[rate]:,.0f} nats" + (f", before it was {usual:,.0f}" if past else "")
        elif past and row[objective] > (best := min(before[objective] for before in past)) + values:
            what = f"the {part} objective is {row[objective]:,.0f} nats, before it was {best:,.0f}"
        else:
            continue
        return (
            f"; warning: {what}: the training is unstable, and may not recover; "
            f"try --lr {recipe.lr / SMALLER:g} (or --set clip=1, where it is 0)"
        )
    return ""
