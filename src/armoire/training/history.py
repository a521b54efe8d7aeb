"""What a training reports: what to expect of it, and its measurements in columns with their units."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median

from armoire.training.averages import Averages, published_scale
from armoire.training.recipe import Recipe
from armoire.training.schedule import ENOUGH_STEPS, FEWEST_STEPS, Length, beta_at, learning_rate

FOR_A_MAP = 200  # training images; with fewer, few images have a true neighbour
FOR_NEW_IMAGES = 2000  # training images; with fewer, samples are blurs or near-copies
PATIENCE = 0.25  # share of the steps after the best validation objective, in which over-fitting shows
SUDDEN = 10  # times the usual rate
NOTICEABLE = 0.1  # nats per pixel value: a smaller rate jumps for many reasons, such as the end of a collapse
SMALLER = 4  # divisor of the learning rate in the advice


def expectations(images: int, validation: int, length: Length) -> list[str]:
    """One line on what the numbers of training images and steps suffice for, and a warning for too few steps."""
    counted = f"{images:,} training images" + (f" and {validation:,} for validation" if validation else "")
    counted += f", {length.total / 60_000:g} minutes" if length.by_clock else f", {length.total:,} steps"
    if images < FOR_A_MAP:
        lines = [f"{counted}: few for a map and neighbours, which take a few hundred images; new images a few thousand"]
    elif images < FOR_NEW_IMAGES:
        lines = [f"{counted}: enough images for a map and neighbours; good new images take a few thousand"]
    else:
        lines = [f"{counted}: enough images for a map, neighbours and new images"]
    if length.by_clock:
        return [*lines, "the minutes are those of steps and measurements; reading and encoding the images take more"]
    return lines + too_few(length.total)


def too_few(steps: int) -> list[str]:
    """A warning where a training has too few steps."""
    if steps >= FEWEST_STEPS:
        return []
    return [f"warning: {steps:,} steps are too few to learn much; give --steps {ENOUGH_STEPS} or more"]


def overfitted(best: dict[str, float], history: list[dict[str, float]], length: Length) -> bool:
    """Whether the validation objective was best long ago, and the training objective has improved since.

    `best` is the row of the best. Never where the clock decides: that training was given its time.
    """
    if length.by_clock or "validation_objective_nats" not in best:
        return False
    last, train = history[-1], "train_objective_nats"
    return last["step"] - best["step"] >= PATIENCE * length.total and last[train] < best[train]


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


def row_line(recipe: Recipe, length: Length, split: str, row: dict[str, float], held_out: Averages) -> str:
    """A row of the history as the training reports it."""
    where = f"epoch {row['epoch']}/{recipe.epochs}" if recipe.epochs else f"after {length.describe(int(row['step']))}"
    chosen = f"validation objective {v:.1f}, " if (v := row.get("validation_objective_nats")) is not None else ""
    published = published_scale(recipe, held_out)
    in_published = f", published scale {published.total_loss:.4g}" if published else ""
    return (
        f"{where}: {chosen}{split} distortion {held_out.distortion:.1f}, rate {held_out.rate:.2f} "
        f"nats{in_published}; {row['images_per_second']:,.0f} images/s"
    )


def jump(recipe: Recipe, row: dict[str, float], past: list[dict[str, float]], split: str, values: int) -> str:
    """A warning for a row's line where its rate or objective is absurd, though finite; "" otherwise.

    The rate is absurd at 10 times the median of the rows before (in the first: at 1 nat per pixel value), the
    objective at 1 nat per pixel value above the best before. With a beta schedule the rate is not checked. A held-out
    objective that is absurd while the training objective falls is over-fitting, which is reported once. `row` is the
    newest, `past` are those before it, and `values` is the number of pixel values in an image.
    """
    over_fits = _over_fits([*past, row], split, values)
    for part in ("train",) if over_fits else ("train", split):
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
    if not over_fits or any(_over_fits(past[:k], split, values) for k in range(2, len(past) + 1)):
        return ""
    advice = (
        "the weights that are best for the validation images will be used"
        if recipe.validation
        else "give more images or fewer steps, or --set validation=0.1 to use the best weights"
    )
    return f"; the model over-fits: worse on {split} images, while better on training images; {advice}"


def _over_fits(history: list[dict[str, float]], split: str, values: int) -> bool:
    """Whether the last held-out objective is 1 nat per pixel value above the best before, at a lower training one."""
    *past, row = history
    if not past:
        return False
    train, held_out = "train_objective_nats", f"{split}_objective_nats"
    best = min(past, key=lambda before: before[held_out])
    return row[held_out] > best[held_out] + values and row[train] < best[train]
