"""What is wrong with a run, in plain words: each finding with its evidence, its cause and the command that mends it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from armoire.hub.download import local_folder
from armoire.images import Images, ImageSet
from armoire.images.fit import Fit
from armoire.measure.aggregate_posterior import ACTIVE_RATE, aggregate_statistics, sample_posteriors
from armoire.measure.latent_statistics import ACTIVE_VARIANCE, ks_distances
from armoire.measure.reconstruction import explained, pixel_variance
from armoire.model import to_unit
from armoire.progress import SILENT, USUAL, Progress
from armoire.training import Run
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.expectations import FEWEST_STEPS, FOR_A_MAP, FOR_NEW_IMAGES, longer
from armoire.wardrobe import RunLike, Wardrobe
from armoire.wardrobe.outliers import squared_errors

EXAMINED = 2000  # images of each kind
NOTHING_EXPLAINED = 0.1  # share of the pixels' variance
UNUSED = 0.9  # share of dimensions
THIN = 0.05  # nats a dimension: of where an image lies along it, less than a tenth of the variance is not noise
FAR_FROM_NORMAL = 0.3  # Kolmogorov-Smirnov distance, mean over the dimensions in use
WIDEST = 4.0  # spread of a dimension's means, where N(0, 1) has 1
IN_HOLES = 0.25  # share of draws; of those that fit it would be 0.01
OVER_FITTED = 1.5  # error on held-out images, of that on training images
DEAD = 0.5  # share of the decoder's units
UNFAMILIAR = 2.0  # error on given images, of the usual one
SAFE_RATE = 1e-3  # of Adam, for nearly every network
FOR_A_FLOW = 32  # dimensions; with more, a mixture of Gaussians fitted better
RESTORED = 0.6  # error after a change of the pixels, of that before
OVER_FITTING = "over-fitting"
# What a model that has not learned yet shows too, whatever its beta and its dimensions.
SIGNS_OF_FEW_STEPS = {
    "too much regularisation",
    "posterior collapse",
    "too little regularisation",
    "unused dimensions",
    "runaway dimensions",
    "prior holes",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        name: of the illness.
        evidence: the numbers that show it.
        cause: where it most likely comes from.
        mend: the command that mends it.
    """

    name: str
    evidence: str
    cause: str
    mend: str


@dataclass(frozen=True)
class Examination:
    """What was found in a run, and the numbers that it was found by."""

    findings: tuple[Finding, ...]
    numbers: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `armoire doctor --json` prints them."""
        found = [asdict(finding) for finding in self.findings]
        return {"healthy": not found, "findings": found, "numbers": self.numbers}


def examine(
    wardrobe: RunLike, images: Images | None = None, split: str | None = None, progress: Progress = USUAL
) -> Examination:
    """Look for everything that is commonly wrong with a run.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        images: other data, as `Wardrobe.load` takes it, to tell whether they are what the model knows; by default what
            it was trained on.
        split: of these, by default the held-out one.
        progress: where to report.
    """
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    numbers = _numbers(wardrobe, progress)
    if stopped := _diverged(wardrobe, numbers):
        found = [stopped]  # where nothing was learned, what else is wrong follows from that
    else:
        found = [finding for check in CHECKS if (finding := check(wardrobe, numbers))]
        found = _too_short(wardrobe, numbers, found) or found
    if images is not None:
        given = wardrobe.load(images)
        numbers["given"] = _given(wardrobe, given.split(split or given.held_out), numbers)
        if strange := _strange(wardrobe, numbers["given"]):
            found.append(strange)
    return Examination(tuple(found), numbers)


def examine_stopped(path: Path, progress: Progress = SILENT) -> Examination | None:
    """What is wrong with a run whose training stopped because the objective was no longer finite; None of any other."""
    run = Run(local_folder(path, progress))
    if (stopped := run.diverged) is None:
        return None
    recipe, rate = run.recipe, stopped["learning_rate"]
    finding = Finding(
        "diverged training",
        f"the objective was no longer finite at step {stopped['step']:,}, where the learning rate was {rate:.2g}",
        f"the learning rate, {recipe.lr:g} at its highest, was too high: steps grew faster than they could be undone",
        f"armoire train {path / 'recipe.toml'} --lr {min(recipe.lr / 10, SAFE_RATE):g} --out {path}-slower",
    )
    return Examination((finding,), dict(stopped))


def _numbers(wardrobe: Wardrobe, progress: Progress) -> dict[str, Any]:
    latents, model = wardrobe.latents, wardrobe.model
    held_out, train = latents.split(wardrobe.held_out).first(EXAMINED), latents.split("train")
    parts = {
        "train": wardrobe.images.split("train").first(EXAMINED),
        "held_out": wardrobe.images.split(wardrobe.held_out).first(EXAMINED),
    }
    with progress.task("examining", len(parts), "parts") as task:
        errors = {}
        for name, part in parts.items():
            errors[name] = float(squared_errors(model, np.asarray(part.images)).mean())
            task.advance()
    variance = pixel_variance(parts["held_out"].images)
    space = aggregate_statistics(train, held_out, wardrobe.prior())
    used = held_out.mean.var(axis=0) > ACTIVE_VARIANCE
    if (rates := space["rate_by_dimension_nats"]) is not None:
        used &= np.array(rates) > ACTIVE_RATE
    standard = ks_distances(sample_posteriors(held_out, np.random.default_rng(0)))
    return {
        "dimensions": held_out.mean.shape[1],
        "dimensions_used": int(used.sum()),
        "ks_mean_of_used": float(standard[used].mean()) if used.any() else None,
        "widest": float(held_out.mean.std(axis=0).max()),
        "farthest_mean": float(np.abs(held_out.mean).max()),
        "finite": bool(np.isfinite(latents.mean).all()),
        **space,
        "train_mse": errors["train"],
        "held_out_mse": errors["held_out"],
        "variance_of_pixels": variance,
        "explained": explained(errors["held_out"], variance),
        "dead_units": dead_units(model.decoder, held_out.mean),
        "training_images": len(train),
        "steps": wardrobe.run.steps,
    }


@torch.no_grad()
def dead_units(decoder: nn.Module, z: Float[np.ndarray, "n d"]) -> float | None:
    """Share of the decoder's units, of those behind a ReLU, that are 0 for all of many latents; None without any."""
    alive: dict[str, torch.Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def look(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            fires = (output > 0).transpose(0, 1).flatten(1).any(dim=1).cpu()
            alive[name] = alive[name] | fires if name in alive else fires

        return look

    hooks = [
        module.register_forward_hook(watch(name))
        for name, module in decoder.named_modules()
        if isinstance(module, nn.ReLU)
    ]
    try:
        for part in np.array_split(z, -(-len(z) // EVALUATION_BATCH)):
            decoder(torch.from_numpy(part).to(next(decoder.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return float(1 - torch.cat(list(alive.values())).float().mean()) if alive else None


Check = Callable[[Wardrobe, dict[str, Any]], Finding | None]


def _diverged(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    dead = n["dead_units"] is not None and n["dead_units"] > DEAD
    if n["finite"] and not dead and not n["explained"] < -NOTHING_EXPLAINED:
        return None
    if n["finite"] and not dead and wardrobe.recipe.clip and n["steps"] < FEWEST_STEPS:
        return None  # with its gradients limited it has not diverged: it has not learned yet
    shown = f"{n['dead_units']:.0%} of the decoder's units are 0 whatever the latent" if dead else "it learned nothing"
    recipe = wardrobe.recipe
    return Finding(
        "dead decoder units" if dead else "diverged training",
        f"{shown}; reconstructions explain {_percent(n['explained'])} of the held-out pixels' variance",
        f"the learning rate, {recipe.lr:g}, was too high: a large step put units where no gradient reaches them",
        f"armoire train {_again(wardrobe)} --lr {min(recipe.lr / 10, SAFE_RATE):g} --out {wardrobe.run.path}-slower",
    )


def _too_much(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    recipe, used = wardrobe.recipe, n["dimensions_used"]
    if not recipe.posterior_class.is_stochastic or (used and n["explained"] > NOTHING_EXPLAINED):
        return None
    told = f"{used} of {n['dimensions']} dimensions tell anything of an image (more than {ACTIVE_RATE} nats)"
    return Finding(
        "too much regularisation" if used else "posterior collapse",
        f"{told}; reconstructions explain {_percent(n['explained'])} of the held-out pixels' variance",
        f"the rate weighs too much beside the distortion (beta {recipe.beta:g}), so that saying little is cheapest",
        f"armoire sweep {_again(wardrobe)} --beta {_fewer(recipe.beta)}",
    )


def _too_little(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    recipe = wardrobe.recipe
    if (
        not recipe.posterior_class.is_stochastic
        or n["ks_mean_of_used"] is None
        or n["ks_mean_of_used"] < FAR_FROM_NORMAL
    ):
        return None
    fitted = wardrobe.priors
    if fitted and n["holes"] < IN_HOLES:
        return None  # samples come from the fitted prior, which is where the latents are
    or_keep_it = "" if fitted else f"; or keep it, and armoire prior {wardrobe.run.path} --kind {_kind(n)}"
    return Finding(
        "too little regularisation",
        f"the latents are not where N(0, I) lies: Kolmogorov-Smirnov distance {n['ks_mean_of_used']:.2f} of 1, the "
        f"farthest at {n['farthest_mean']:.1f}, and KL(q(z) || N(0, I)) is {n['mismatch_nats']:.1f} nats",
        f"the rate weighs too little beside the distortion (beta {recipe.beta:g}), so that the model is an autoencoder",
        f"armoire sweep {_again(wardrobe)} --beta {_more(recipe.beta)}{or_keep_it}",
    )


def _unused(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    used, d = n["dimensions_used"], n["dimensions"]
    rate = math.inf if (rates := n["rate_by_dimension_nats"]) is None else sum(rates)
    thin = rate < THIN * d
    if not used or (1 - used / d < UNUSED and not thin):
        return None
    told = f"{used} of {d} dimensions tell anything of an image"
    if thin:
        told = f"{d} dimensions tell {rate:.1f} nats of an image together, {rate / d:.3f} each"
    enough = 1 << max(1, math.ceil(math.log2(rate if thin else 2 * used)))
    return Finding(
        "unused dimensions",
        told,
        f"the data do not ask for more at beta {wardrobe.recipe.beta:g}; the others are noise to the decoder",
        f"armoire train {_again(wardrobe)} --latent {enough} --out {wardrobe.run.path}-{enough}",
    )


def _runaway(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    if not wardrobe.recipe.posterior_class.is_stochastic or n["widest"] < WIDEST:
        return None
    return Finding(
        "runaway dimensions",
        f"the images' places spread over {n['widest']:.1f} along one dimension, where N(0, 1) has 1",
        "the rate does not hold that dimension, or the learning rate was too high for it to",
        f"armoire train {_again(wardrobe)} --beta {10 * max(wardrobe.recipe.beta, 0.1):g} --out {wardrobe.run.path}-2",
    )


def _in_holes(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    if n["holes"] < IN_HOLES:
        return None
    name, run = wardrobe.prior().name, wardrobe.run.path
    applied = wardrobe.priors
    if applied and n["training_images"] < FOR_NEW_IMAGES:
        cause = f"{n['training_images']:,} training images are too few to tell a fitted prior where images lie"
        mend = f"train on {FOR_NEW_IMAGES:,} images or more; or armoire sample {run} --temperature 0.7"
    else:
        cause = f"{name} is not where the images are, and the decoder was never taught what is made between them"
        mend = f"armoire sample {run} --temperature 0.7" if applied else f"armoire prior {run} --kind {_kind(n)}"
    return Finding(
        "prior holes",
        f"{n['holes']:.0%} of draws from {name} lie farther from every training latent than 99 % of the held-out ones",
        cause,
        mend,
    )


def _over_fitted(wardrobe: Wardrobe, n: dict[str, Any]) -> Finding | None:
    if n["held_out_mse"] < OVER_FITTED * n["train_mse"]:
        return None
    epochs, path = max(1, wardrobe.recipe.epochs // 2), wardrobe.run.path
    more = f"add images, and train again (armoire train {wardrobe.recipe.name} --data DATA)"
    shorter = f"armoire train {_again(wardrobe)} --epochs {epochs} --out {path}-shorter; or {more}"
    return Finding(
        OVER_FITTING,
        f"squared error {n['held_out_mse']:.4f} on held-out images, {n['train_mse']:.4f} on training images",
        "the model learned its training images by heart: they are too few for so many steps or so many dimensions",
        more if n["training_images"] < FOR_A_MAP else shorter,
    )


def _too_short(wardrobe: Wardrobe, n: dict[str, Any], found: list[Finding]) -> list[Finding]:
    """Where few steps explain findings that settings would be blamed for: that, in their place; else nothing."""
    explained = [finding for finding in found if finding.name in SIGNS_OF_FEW_STEPS]
    if n["steps"] >= FEWEST_STEPS or not explained or any(finding.name == OVER_FITTING for finding in found):
        return []
    recipe, few = wardrobe.recipe, n["training_images"] < FOR_NEW_IMAGES
    finding = Finding(
        "too little training",
        f"{n['steps']:,} steps on {n['training_images']:,} images; {explained[0].evidence}",
        f"{FEWEST_STEPS:,} steps or more are needed before the settings can be judged"
        + (f", and {FOR_NEW_IMAGES:,} images or more for good new ones" if few else ""),
        f"armoire train {_again(wardrobe)} --epochs {longer(recipe, n['steps'])} --out {wardrobe.run.path}-longer",
    )
    return [finding, *(other for other in found if other not in explained)]


CHECKS: tuple[Check, ...] = (_too_much, _too_little, _unused, _runaway, _in_holes, _over_fitted)

SCALED = "scaled to 0 and 1 in place of 0 to 255"
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda pixels: 255 - pixels,
    SCALED: lambda pixels: np.clip(pixels.astype(np.uint16) * 255, 0, 255).astype(np.uint8),
    "with red and blue exchanged": lambda pixels: pixels[..., ::-1],
    "upside down": lambda pixels: pixels[:, ::-1],
    "lying on their side": lambda pixels: pixels.transpose(0, 2, 1, 3),
}


def _given(wardrobe: Wardrobe, part: ImageSet, numbers: dict[str, Any]) -> dict[str, Any]:
    """How the model takes other images as they are, and after each change of their pixels."""
    pixels: UInt8[np.ndarray, "n h w c"] = np.array(part.first(EXAMINED).images)
    x = to_unit(torch.from_numpy(pixels))
    return {
        "n": len(pixels),
        "mse": float(squared_errors(wardrobe.model, pixels).mean()),
        "usual_mse": numbers["held_out_mse"],
        "mean": float(x.mean()),
        "largest_byte": int(pixels.max()),
        "usual_mean": float(np.asarray(wardrobe.images.split("train").first(EXAMINED).images).mean() / 255),
        "changed": {
            name: float(squared_errors(wardrobe.model, _changed(pixels, change, wardrobe.fit)).mean())
            for name, change in CHANGES.items()
        },
    }


def _changed(pixels: np.ndarray, change: Callable[[np.ndarray], np.ndarray], fit: Fit) -> np.ndarray:
    """Images with their pixels changed, but for the margin that fitting put around them."""
    before = (fit.canvas - fit.size) // 2
    inner = slice(before, before + fit.size)
    changed = pixels.copy()
    changed[:, inner, inner] = change(pixels[:, inner, inner])
    return changed


def _strange(wardrobe: Wardrobe, given: dict[str, Any]) -> Finding | None:
    # Bytes of 0 and 1 are all but black, and black is easily reconstructed.
    unscaled = given["largest_byte"] <= 1
    if not unscaled and given["mse"] < UNFAMILIAR * given["usual_mse"]:
        return None
    best = SCALED if unscaled else min(given["changed"], key=lambda name: given["changed"][name])
    restored = given["changed"][best]
    told = (
        f"squared error {given['mse']:.4f} where {given['usual_mse']:.4f} is usual; mean brightness "
        f"{given['mean']:.2f} where the training images have {given['usual_mean']:.2f}"
    )
    if not unscaled and restored > RESTORED * given["mse"]:
        return Finding(
            "unfamiliar images",
            told,
            "they show something else than the training images, or were prepared otherwise",
            f"armoire reconstruct {wardrobe.run.path} IMAGE --out look.png, and compare; or train on them as well",
        )
    return Finding(
        "un-normalised input",
        f"{told}; taken as {best}, the same images have {restored:.4f}",
        f"the pixels are {best}, beside those that the model was trained on",
        f"prepare the images as the training images were ({best} back), and armoire doctor {wardrobe.run.path} again",
    )


def _percent(share: float) -> str:
    return f"{round(share, 2) + 0.0:.0%}"  # and never -0 %


def _again(wardrobe: Wardrobe) -> str:
    return str(wardrobe.run.path / "recipe.toml")


def _kind(n: dict[str, Any]) -> str:
    return "flow" if n["dimensions"] <= FOR_A_FLOW else "gmm"


def _fewer(beta: float) -> str:
    return ",".join(f"{beta / by:g}" for by in (10, 30, 100, 300, 1000))


def _more(beta: float) -> str:
    return ",".join(f"{max(beta, 1e-4) * by:g}" for by in (10, 100, 1000, 10000))
