"""`armoire doctor`: common problems of a run, each with evidence, cause and the command that fixes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from armoire.hub.download import local_folder
from armoire.images import Images, ImageSet
from armoire.images.fit import Fit
from armoire.measure.doctor_rules import Finding, findings, lower_rate
from armoire.measure.latent_statistics import (
    ACTIVE_RATE,
    ACTIVE_VARIANCE,
    aggregate_statistics,
    ks_distances,
    sample_posteriors,
)
from armoire.measure.reconstruction import explained, pixel_variance
from armoire.progress import SILENT, USUAL, Progress
from armoire.training import Run
from armoire.training.averages import EVALUATION_BATCH
from armoire.wardrobe import RunLike, Wardrobe
from armoire.wardrobe.error_maps import squared_errors

EXAMINED = 2000  # images of each split
UNFAMILIAR = 2.0  # error on these images, relative to held-out ones
RESTORED = 0.6  # error after a change of the pixels, relative to the error before
SCALED = "scaled to 0 and 1 instead of 0 to 255"
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda pixels: 255 - pixels,
    SCALED: lambda pixels: np.clip(pixels.astype(np.uint16) * 255, 0, 255).astype(np.uint8),
    "with red and blue swapped": lambda pixels: pixels[..., ::-1],
    "upside down": lambda pixels: pixels[:, ::-1],
    "rotated or transposed": lambda pixels: pixels.transpose(0, 2, 1, 3),
}


@dataclass(frozen=True)
class Examination:
    """The problems of a run, and the numbers that show them."""

    findings: tuple[Finding, ...]
    numbers: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The object that `armoire doctor --json` prints."""
        found = [asdict(finding) for finding in self.findings]
        return {"healthy": not found, "findings": found, "numbers": self.numbers}


def examine(
    wardrobe: RunLike, images: Images | None = None, *, split: str | None = None, progress: Progress = USUAL
) -> Examination:
    """Check a run for common problems.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        images: other data, as `Wardrobe.load` takes it, to compare with the training data.
        split: of these, by default the held-out one.
        progress: where to report.
    """
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    numbers = _numbers(wardrobe, progress)
    found = findings(wardrobe, numbers)
    if images is not None:
        data = wardrobe.load(images)
        part = data.split(split or data.held_out)[:EXAMINED]
        numbers["given"] = _compare_images(wardrobe, part, numbers["held_out_mse"])
        if finding := _different_images(wardrobe, numbers["given"]):
            found.append(finding)
    return Examination(tuple(found), numbers)


def examine_stopped(path: Path, progress: Progress = SILENT) -> Examination | None:
    """The finding for a training that stopped because its objective was not finite; None for any other run."""
    run = Run(local_folder(path, progress))
    if (stopped := run.diverged) is None:
        return None
    recipe, rate = run.recipe, stopped["learning_rate"]
    finding = Finding(
        "diverged training",
        f"the objective was no longer finite at step {stopped['step']:,}, where the learning rate was {rate:.2g}",
        f"the learning rate, at most {recipe.lr:g}, was too high",
        f"armoire train {path / 'recipe.toml'} --lr {lower_rate(recipe):g} --out {path}-slower",
    )
    return Examination((finding,), dict(stopped))


def _numbers(wardrobe: Wardrobe, progress: Progress) -> dict[str, Any]:
    latents, model = wardrobe.latents, wardrobe.model
    held_out, train = latents.split(wardrobe.held_out).first(EXAMINED), latents.split("train")
    parts = [wardrobe.images.split(split)[:EXAMINED].images for split in ("train", wardrobe.held_out)]
    train_mse, held_out_mse = (float(squared_errors(model, np.asarray(part), progress).mean()) for part in parts)
    variance = pixel_variance(parts[1])
    statistics = aggregate_statistics(train, held_out, wardrobe.prior())
    used = held_out.mean.var(axis=0) > ACTIVE_VARIANCE
    if (rates := statistics["rate_by_dimension_nats"]) is not None:
        used &= np.array(rates) > ACTIVE_RATE
    ks = ks_distances(sample_posteriors(held_out, np.random.default_rng(0)))
    return {
        "dimensions": held_out.mean.shape[1],
        "dimensions_used": int(used.sum()),
        "ks_mean_of_used": float(ks[used].mean()) if used.any() else None,
        "widest": float(held_out.mean.std(axis=0).max()),
        "farthest_mean": float(np.abs(held_out.mean).max()),
        "finite": bool(np.isfinite(latents.mean).all()),
        "drawn_from": wardrobe.prior().name,
        **statistics,
        "train_mse": train_mse,
        "held_out_mse": held_out_mse,
        "variance_of_pixels": variance,
        "explained": explained(held_out_mse, variance),
        "dead_units": dead_units(model.decoder, held_out.mean),
        "training_images": len(train),
        "steps": wardrobe.run.steps,
    }


@torch.no_grad()
def dead_units(decoder: nn.Module, z: Float[np.ndarray, "n d"]) -> float | None:
    """Share of the units after a ReLU that are 0 for all latents; None without a ReLU."""
    alive: dict[str, torch.Tensor] = {}

    def record(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            fires = (output > 0).transpose(0, 1).flatten(1).any(dim=1).cpu()
            alive[name] = alive[name] | fires if name in alive else fires

        return hook

    relus = [(name, module) for name, module in decoder.named_modules() if isinstance(module, nn.ReLU)]
    hooks = [module.register_forward_hook(record(name)) for name, module in relus]
    try:
        for part in np.array_split(z, -(-len(z) // EVALUATION_BATCH)):
            decoder(torch.from_numpy(part).to(next(decoder.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return float(1 - torch.cat(list(alive.values())).float().mean()) if alive else None


def _compare_images(wardrobe: Wardrobe, part: ImageSet, usual_mse: float) -> dict[str, Any]:
    """Reconstruction error and brightness of images, and their error after each change of their pixels."""
    pixels, model = np.array(part.images), wardrobe.model
    train = np.asarray(wardrobe.images.split("train")[:EXAMINED].images)
    return {
        "n": len(pixels),
        "mse": float(squared_errors(model, pixels).mean()),
        "usual_mse": usual_mse,
        "mean": float(pixels.mean() / 255),
        "largest_byte": int(pixels.max()),
        "usual_mean": float(train.mean() / 255),
        "changed": {
            name: float(squared_errors(model, _changed(pixels, change, wardrobe.fit)).mean())
            for name, change in CHANGES.items()
        },
    }


def _different_images(wardrobe: Wardrobe, given: dict[str, Any]) -> Finding | None:
    """The finding for images that the model reconstructs badly, from the numbers of `_compare_images`."""
    # Bytes of 0 and 1 are nearly black, which is easy to reconstruct.
    unscaled = given["largest_byte"] <= 1
    if not unscaled and given["mse"] < UNFAMILIAR * given["usual_mse"]:
        return None
    best = SCALED if unscaled else min(given["changed"], key=lambda name: given["changed"][name])
    restored = given["changed"][best]
    evidence = (
        f"squared error {given['mse']:.4f}, where held-out images have {given['usual_mse']:.4f}; mean brightness "
        f"{given['mean']:.2f}, where the training images have {given['usual_mean']:.2f}"
    )
    if not unscaled and restored > RESTORED * given["mse"]:
        return Finding(
            "unfamiliar images",
            evidence,
            "their content differs from the training images, or they were preprocessed differently",
            f"armoire reconstruct {wardrobe.run} IMAGE --out check.png, and compare; or train on them as well",
        )
    return Finding(
        "un-normalised input",
        f"{evidence}; with the pixels taken as {best}, the same images have {restored:.4f}",
        f"the pixels are {best}, compared with the training images",
        f"preprocess the images as the training images were, and run armoire doctor {wardrobe.run} again",
    )


def _changed(pixels: np.ndarray, change: Callable[[np.ndarray], np.ndarray], fit: Fit) -> np.ndarray:
    """Images with their pixels changed, except the padding."""
    before = (fit.canvas - fit.size) // 2
    inner = slice(before, before + fit.size)
    changed = pixels.copy()
    changed[:, inner, inner] = change(pixels[:, inner, inner])
    return changed
