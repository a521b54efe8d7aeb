"""The rules of `armoire doctor`: one function per problem, from a run's numbers to a finding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from armoire.measure.latent_statistics import ACTIVE_RATE
from armoire.priors import PRIORS, usual_kind
from armoire.training import Recipe
from armoire.training.history import FEWEST_STEPS, FOR_A_MAP, FOR_NEW_IMAGES
from armoire.training.schedule import ENOUGH_STEPS
from armoire.wardrobe import Wardrobe

NOTHING_EXPLAINED = 0.1  # share of the pixels' variance
UNUSED = 0.9  # share of dimensions
THIN = 0.05  # nats per dimension: the posterior means vary by less than a tenth of the prior's variance
FAR_FROM_NORMAL = 0.3  # Kolmogorov-Smirnov distance, mean over the dimensions in use
WIDEST = 4.0  # standard deviation of a dimension's means, where N(0, 1) has 1
IN_HOLES = 0.25  # share of prior draws; 0.01 where the prior fits
OVER_FITTED = 1.5  # error on held-out images, relative to training images
DEAD = 0.5  # share of the decoder's units
SAFE_RATE = 1e-3  # of Adam, for nearly every network
OVER_FITTING = "over-fitting"
# Found in models that have not learned yet, with any settings.
SIGNS_OF_FEW_STEPS = {
    "too much regularisation",
    "posterior collapse",
    "too little regularisation",
    "unused dimensions",
    "runaway dimensions",
    "prior holes",
}
# Not by few steps alone, where beta is this large.
SIGNS_OF_BETA = {"too much regularisation", "posterior collapse"}
HEAVY_BETA = 10.0
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One problem, the numbers that show it, the most likely cause, and the command to run."""

    name: str
    evidence: str
    cause: str
    fix: str


def findings(wardrobe: Wardrobe, numbers: Numbers) -> list[Finding]:
    """All problems of a run; a diverged training explains all others, and too few steps some of them."""
    if diverged := _diverged(wardrobe, numbers):
        return [diverged]
    found = [finding for rule in RULES if (finding := rule(wardrobe, numbers))]
    return _too_short(wardrobe, numbers, found) or found


def lower_rate(recipe: Recipe) -> float:
    """A learning rate with which a diverged training is likely to converge."""
    return min(recipe.lr / 10, SAFE_RATE)


def train_again(wardrobe: Wardrobe, flags: str, suffix: str) -> str:
    """The command that trains the recipe of a run with other flags, next to it."""
    return f"armoire train {wardrobe.run.path / 'recipe.toml'} {flags} --out {wardrobe.run}-{suffix}"


def _diverged(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    dead = n["dead_units"] is not None and n["dead_units"] > DEAD
    if n["finite"] and not dead and not n["explained"] < -NOTHING_EXPLAINED:
        return None
    if n["finite"] and not dead and wardrobe.recipe.clip and n["steps"] < FEWEST_STEPS:
        return None  # clipped gradients do not diverge: it has not learned yet
    shown = f"{n['dead_units']:.0%} of the decoder's units are 0 for every latent" if dead else "nothing was learned"
    return Finding(
        "dead decoder units" if dead else "diverged training",
        f"{shown}; {_explained(n)}",
        f"the learning rate, {wardrobe.recipe.lr:g}, was too high: after a large step, gradients no longer reach units",
        train_again(wardrobe, f"--lr {lower_rate(wardrobe.recipe):g}", "slower"),
    )


def _too_much_regularisation(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    recipe, used = wardrobe.recipe, n["dimensions_used"]
    if not recipe.posterior_class.is_stochastic or (used and n["explained"] > NOTHING_EXPLAINED):
        return None
    return Finding(
        "too much regularisation" if used else "posterior collapse",
        f"{used} of {n['dimensions']} dimensions have a rate above {ACTIVE_RATE} nats; {_explained(n)}",
        f"the rate weighs too much against the distortion (beta {recipe.beta:g}), so that little is encoded",
        _sweep(wardrobe, [recipe.beta / by for by in (10, 30, 100, 300, 1000)]),
    )


def _too_little_regularisation(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    recipe, distance = wardrobe.recipe, n["ks_mean_of_used"]
    if not recipe.posterior_class.is_stochastic or distance is None or distance < FAR_FROM_NORMAL:
        return None
    if wardrobe.priors and n["holes"] < IN_HOLES:
        return None  # the fitted prior matches the latents
    alternative = "" if wardrobe.priors else f"; or keep the model, and {_fit_prior(wardrobe, n)}"
    return Finding(
        "too little regularisation",
        f"the latents are far from N(0, I): Kolmogorov-Smirnov distance {distance:.2f} of 1, the largest mean "
        f"{n['farthest_mean']:.1f}, and KL(q(z) || N(0, I)) is {n['mismatch_nats']:.1f} nats",
        f"the rate weighs too little against the distortion (beta {recipe.beta:g}), as in a plain autoencoder",
        _sweep(wardrobe, [max(recipe.beta, 1e-4) * by for by in (10, 100, 1000, 10000)]) + alternative,
    )


def _unused_dimensions(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    used, d = n["dimensions_used"], n["dimensions"]
    rate = math.inf if (rates := n["rate_by_dimension_nats"]) is None else sum(rates)
    thin = rate < THIN * d
    if not used or (1 - used / d < UNUSED and not thin):
        return None
    enough = 1 << max(1, math.ceil(math.log2(rate if thin else 2 * used)))
    return Finding(
        "unused dimensions",
        f"{d} dimensions have a rate of {rate:.1f} nats together, {rate / d:.3f} each"
        if thin
        else f"{used} of {d} dimensions are in use",
        f"the data need no more at beta {wardrobe.recipe.beta:g}; the others are noise to the decoder",
        train_again(wardrobe, f"--latent {enough}", str(enough)),
    )


def _runaway_dimensions(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    recipe = wardrobe.recipe
    if not recipe.posterior_class.is_stochastic or n["widest"] < WIDEST:
        return None
    return Finding(
        "runaway dimensions",
        f"the posterior means of one dimension have a standard deviation of {n['widest']:.1f}, where N(0, 1) has 1",
        "the rate weighs too little to limit that dimension, or the learning rate was too high",
        train_again(wardrobe, f"--beta {10 * max(recipe.beta, 0.1):g}", "2"),
    )


def _prior_holes(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    if n["holes"] < IN_HOLES:
        return None
    name, instead = n["drawn_from"], _other_samples(wardrobe)
    if wardrobe.priors and n["training_images"] < FOR_NEW_IMAGES:
        cause = f"{n['training_images']:,} training images are too few to fit a prior well"
        fix = f"train on {FOR_NEW_IMAGES:,} images or more; or {instead}"
    else:
        cause = f"{name} does not match the latents, and the decoder was not trained on latents between them"
        fix = instead if wardrobe.priors else _fit_prior(wardrobe, n)
    return Finding(
        "prior holes",
        f"{n['holes']:.0%} of draws from {name} are farther from all training latents than 99 % of held-out latents",
        cause,
        fix,
    )


def _over_fitting(wardrobe: Wardrobe, n: Numbers) -> Finding | None:
    if n["held_out_mse"] < OVER_FITTED * n["train_mse"]:
        return None
    more = f"add images, and train again (armoire train {wardrobe.recipe.name} --data DATA)"
    # Weights that were chosen by validation images are those of a shorter training already.
    smaller = ("--latent", max(1, n["dimensions"] // 2)) if wardrobe.recipe.validation else None
    flag, value = smaller or ("--steps", max(1, n["steps"] // 2))
    again = train_again(wardrobe, f"{flag} {value}", "smaller" if smaller else "shorter")
    return Finding(
        OVER_FITTING,
        f"squared error {n['held_out_mse']:.4f} on held-out images, {n['train_mse']:.4f} on training images",
        "the model memorised its training images: they are too few for so many steps or so many dimensions",
        more if n["training_images"] < FOR_A_MAP else f"{again}; or {more}",
    )


RULES: tuple[Callable[[Wardrobe, Numbers], Finding | None], ...] = (
    _too_much_regularisation,
    _too_little_regularisation,
    _unused_dimensions,
    _runaway_dimensions,
    _prior_holes,
    _over_fitting,
)


def _too_short(wardrobe: Wardrobe, n: Numbers, found: Sequence[Finding]) -> list[Finding]:
    """The finding "too little training" instead of those that it explains; [] where steps were enough."""
    heavy = wardrobe.recipe.beta >= HEAVY_BETA
    explained = [one for one in found if one.name in SIGNS_OF_FEW_STEPS and not (heavy and one.name in SIGNS_OF_BETA)]
    if n["steps"] >= FEWEST_STEPS or not explained or any(finding.name == OVER_FITTING for finding in found):
        return []
    few = n["training_images"] < FOR_NEW_IMAGES
    finding = Finding(
        "too little training",
        f"{n['steps']:,} steps on {n['training_images']:,} images; {explained[0].evidence}",
        f"{FEWEST_STEPS:,} steps or more are needed before other settings are to blame"
        + (f", and {FOR_NEW_IMAGES:,} images or more for good samples" if few else ""),
        train_again(wardrobe, f"--steps {ENOUGH_STEPS}", "longer"),
    )
    return [finding, *(other for other in found if other not in explained)]


def _explained(n: Numbers) -> str:
    share = round(n["explained"], 2) + 0.0  # + 0.0 avoids -0 %
    return f"reconstructions explain {share:.0%} of the held-out pixels' variance"


def _sweep(wardrobe: Wardrobe, betas: Sequence[float]) -> str:
    return f"armoire sweep {wardrobe.run.path / 'recipe.toml'} --beta {','.join(f'{beta:g}' for beta in betas)}"


def _fit_prior(wardrobe: Wardrobe, n: Numbers) -> str:
    return f"armoire prior {wardrobe.run} --kind {usual_kind(wardrobe.recipe.prior, n['dimensions'])}"


def _other_samples(wardrobe: Wardrobe) -> str:
    """The command that samples nearer to the data than a fitted prior does."""
    sample = f"armoire sample {wardrobe.run} --out samples.png"
    if not wardrobe.prior().needs_latents:
        return f"{sample} --temperature 0.7"
    # A lower temperature moves averages away from the images that they lie between, to the mean of all.
    others = [kind for kind in wardrobe.priors if PRIORS.get(kind).has_density]
    kind = others[0] if others else "gmm"
    return f"{sample} --prior {kind}" + ("" if others else f", after armoire prior {wardrobe.run} --kind {kind}")
