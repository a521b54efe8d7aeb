"""PSNR and SSIM of denoised images, for the noise a model was trained with and other kinds of noise (S6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armoire.images import ImageSet
from armoire.measure.measure import Measure
from armoire.measure.reconstruction import psnr_db, structural_similarity
from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches
from armoire.training.randomness import generator, normal_like
from armoire.training.step import corrupt

IMAGES = 2000


def gaussian(x: Float[Tensor, "n c h w"], level: float, draws: torch.Generator) -> Float[Tensor, "n c h w"]:
    """The noise of training, of standard deviation `level`."""
    return corrupt(x, level, normal_like(x, draws))


def salt_and_pepper(x: Float[Tensor, "n c h w"], share: float, draws: torch.Generator) -> Float[Tensor, "n c h w"]:
    """A share of the pixels black or white with equal probability, in all channels."""
    drawn = _one_channel(x, draws)
    return torch.where(drawn < share / 2, 0.0, torch.where(drawn > 1 - share / 2, 1.0, x))


def mask(x: Float[Tensor, "n c h w"], share: float, draws: torch.Generator) -> Float[Tensor, "n c h w"]:
    """A share of the pixels black in all channels: the masking noise of Vincent et al. 2008."""
    return torch.where(_one_channel(x, draws) < share, 0.0, x)


def _one_channel(x: Tensor, draws: torch.Generator) -> Tensor:
    n, _, h, w = x.shape
    return torch.rand(n, 1, h, w, generator=draws, device=x.device)


#: Kinds of noise by name: images, level and generator to noisy images.
KINDS: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "gaussian": gaussian,
    "salt-and-pepper": salt_and_pepper,
    "masking": mask,
}
#: Standard deviations for pixels in [0, 1]; shares of the pixels.
LEVELS = {
    "gaussian": (0.1, 0.2, 0.3, 0.5, 0.7),
    "salt-and-pepper": (0.05, 0.1, 0.2, 0.3, 0.5),
    "masking": (0.1, 0.2, 0.3, 0.5, 0.7),
}


def measure_denoising(
    model: Autoencoder, part: ImageSet, trained_with: float = 0.0, seed: int = 0, progress: Progress = SILENT
) -> dict[str, Any]:
    """Compare reconstructions of the first 2,000 images with noise with the clean images, by kind and level of noise.

    `trained_with` is the standard deviation of the Gaussian noise in training, 0 for none.

    Returns:
        n; trained_with; clean: psnr_db and ssim without noise; levels: for each kind of noise a list of level, seen
        (whether this is the training noise), psnr_db, ssim, and noisy_psnr_db and noisy_ssim of the noisy images
        themselves. PSNR is 10 log10(1 / mse) of the mean squared error over images.
    """
    part = part[:IMAGES]
    levels: dict[str, list[dict[str, Any]]] = {kind: [] for kind in LEVELS}
    with progress.task("denoising", sum(map(len, LEVELS.values())) + 1, "levels") as task:
        clean = _errors(model, part, None, 0.0, seed)
        task.advance()
        for kind, amounts in LEVELS.items():
            for level in amounts:
                seen = kind == "gaussian" and math.isclose(level, trained_with)
                levels[kind].append({"level": level, "seen": seen, **_errors(model, part, kind, level, seed)})
                task.advance()
    return {
        "n": len(part),
        "trained_with": trained_with,
        "clean": {name: clean[name] for name in ("psnr_db", "ssim")},
        "levels": levels,
    }


@torch.no_grad()
def _errors(model: Autoencoder, part: ImageSet, kind: str | None, level: float, seed: int) -> dict[str, float]:
    sums = torch.zeros(4, dtype=torch.float64)
    for number, x in enumerate(Batches(part.images, model.device).in_turn(EVALUATION_BATCH)):
        noisy = KINDS[kind](x, level, generator(seed, f"noise {kind}", number, model.device)) if kind else x
        for k, image in enumerate((model(noisy), noisy)):
            squared = float((image - x).square().mean(dim=(1, 2, 3)).double().sum())
            sums[2 * k : 2 * k + 2] += torch.tensor([squared, structural_similarity(image, x)])
    squared, ssim, noisy_squared, noisy_ssim = (sums / len(part)).tolist()
    return {
        "psnr_db": psnr_db(squared),
        "ssim": ssim,
        "noisy_psnr_db": psnr_db(noisy_squared),
        "noisy_ssim": noisy_ssim,
    }


MEASURE = Measure(
    lambda context: measure_denoising(
        context.wardrobe.model, context.part, context.wardrobe.recipe.noise, progress=context.progress
    ),
    lambda context: context.options.denoising,
)
