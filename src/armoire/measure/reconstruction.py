"""Errors of reconstructions: cross-entropy, squared error, PSNR, SSIM and variance explained."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from armoire.images import ImageSet
from armoire.measure.measure import Measure
from armoire.model import Autoencoder
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches


def structural_similarity(images: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> float:
    """SSIM (Wang et al. 2004, Gaussian window of sigma 1.5) of images in [0, 1], summed over images."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    return float(structural_similarity_index_measure(images, x, data_range=1.0, reduction="sum"))  # type: ignore[arg-type]


@torch.no_grad()
def reconstruction_error(model: Autoencoder, images: ImageSet) -> dict[str, float]:
    """Errors of the reconstruction from the posterior mean, averaged over images.

    Returns:
        bce: binary cross-entropy in nats per pixel value; mse: squared error per pixel value; psnr_db: of that mean;
        ssim: structural similarity, 1 for equal images; explained: share of the pixels' variance.
    """
    bce = mse = ssim = 0.0
    for x in Batches(images.images, model.device).in_turn(EVALUATION_BATCH):
        output = model.decoder(model.encode(x).mean)
        mean = model.likelihood.mean(output)
        # The decoder's output is the logit of the mean, for every likelihood.
        bce += float(F.binary_cross_entropy_with_logits(output, x, reduction="none").mean(dim=(1, 2, 3)).sum())
        mse += float((mean - x).square().mean(dim=(1, 2, 3)).double().sum())
        ssim += structural_similarity(mean, x)
    n = len(images)
    return {
        "bce": bce / n,
        "mse": mse / n,
        "psnr_db": psnr_db(mse / n),
        "ssim": ssim / n,
        "explained": explained(mse / n, pixel_variance(images.images)),
    }


def psnr_db(mse: float) -> float:
    """Peak signal-to-noise ratio of images in [0, 1], 10 log10(1 / mse)."""
    return -10 * math.log10(max(mse, 1e-12))


def pixel_variance(images: UInt8[np.ndarray, "n h w c"]) -> float:
    """Mean over pixels of the variance over images, for pixel values in [0, 1]."""
    total, squares = np.zeros(images.shape[1:]), 0.0
    for start in range(0, len(images), EVALUATION_BATCH):
        part = np.asarray(images[start : start + EVALUATION_BATCH], np.float64) / 255
        total += part.sum(axis=0)
        squares += float(np.square(part).sum())
    mean = total / len(images)
    return max(0.0, squares / images.size - float(np.square(mean).mean()))


def explained(mse: float, variance: float) -> float:
    """Share of the pixels' variance that reconstructions explain, 1 - mse / variance; 0 for the mean image."""
    return 1 - mse / max(variance, 1e-12)


MEASURE = Measure(lambda context: reconstruction_error(context.wardrobe.model, context.part))
