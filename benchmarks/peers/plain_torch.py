"""The networks in plain PyTorch, as a careful user would write them; also given to pythae."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from laps import Job
from torch import Tensor, nn


def encoder_body(job: Job) -> nn.Sequential:
    """Images (n, c, h, w) to flat features."""
    layers: list[nn.Module] = []
    for before, after in zip((job.image_channels, *job.channels), job.channels, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), *finish(job, after)]
    return nn.Sequential(*layers, nn.Flatten())


def decoder_body(job: Job) -> nn.Sequential:
    """Latents (n, d) to logits (n, c, h, w)."""
    deepest, side = job.channels[-1], job.size >> len(job.channels)
    layers: list[nn.Module] = [nn.Linear(job.latent, deepest * side * side)]
    if job.batch_norm:
        layers += [nn.BatchNorm1d(deepest * side * side), nn.LeakyReLU(0.3)]
    layers.append(nn.Unflatten(1, (deepest, side, side)))
    upwards = job.channels[::-1]
    for before, after in zip((deepest, *upwards), upwards, strict=False):
        layers += [nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1), *finish(job, after)]
    return nn.Sequential(*layers, nn.Conv2d(upwards[-1], job.image_channels, 3, padding=1))


def finish(job: Job, channels: int) -> list[nn.Module]:
    """What follows a convolution."""
    norm: list[nn.Module] = [nn.BatchNorm2d(channels)] if job.batch_norm else []
    return [*norm, nn.LeakyReLU(0.3) if job.leaky else nn.ReLU()]


def features(job: Job) -> int:
    """Number of features of `encoder_body`."""
    return job.channels[-1] * (job.size >> len(job.channels)) ** 2


def as_keras_begins(network: nn.Module) -> None:
    """Glorot uniform weights and zero biases, so that all peers begin alike."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


class Plain(nn.Module):
    """An autoencoder or VAE in thirty lines."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.encoder, self.decoder = encoder_body(job), decoder_body(job)
        self.mean = nn.Linear(features(job), job.latent)
        self.log_var = nn.Linear(features(job), job.latent) if job.variational else None
        as_keras_begins(self)

    def forward(self, x: Tensor) -> Tensor:
        """The objective, a mean over the batch."""
        h = self.encoder(x)
        z, rate = self.mean(h), x.new_zeros(())
        if self.log_var is not None:
            log_var = self.log_var(h)
            rate = -0.5 * (1 + log_var - z.square() - log_var.exp()).sum(1).mean()
            z = z + torch.exp(log_var / 2) * torch.randn_like(z)
        logits = self.decoder(z)
        if self.job.sigma2 is None:
            return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x) + rate
        squared = F.mse_loss(torch.sigmoid(logits), x, reduction="sum") / len(x)
        pixels = x[0].numel()
        return squared / (2 * self.job.sigma2) + pixels / 2 * math.log(2 * math.pi * self.job.sigma2) + rate
