"""One Autoencoder, composed of an encoder, a posterior, a decoder and a likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.model.architecture import Architecture
from armoire.model.kinds import LIKELIHOODS, NETWORKS, POSTERIORS
from armoire.model.networks import glorot
from armoire.model.posterior import Head, Posterior
from armoire.model.pretrained import Pretrained


@dataclass(frozen=True)
class Terms:
    """The terms of the objective for n images, in nats per image."""

    z: Float[Tensor, "n d"]  # the latents that were decoded
    output: Float[Tensor, "n c h w"]  # of the decoder, the parameters of p(x|z)
    error: Float[Tensor, " n"]  # the likelihood's mean error per pixel value
    distortion: Float[Tensor, " n"]  # -log p(x|z)
    rate: Float[Tensor, " n"]  # KL(q(z|x) || N(0, I))

    def objective(self, beta: float) -> Float[Tensor, " n"]:
        """distortion + beta * rate, Higgins et al. 2017."""
        return self.distortion + beta * self.rate


class Autoencoder(nn.Module, Pretrained):
    """x -> q(z|x) -> z -> p(x|z): an autoencoder, a VAE or a beta-VAE, by its settings."""

    def __init__(self, architecture: Architecture, generator: torch.Generator | None = None) -> None:
        """Build it with fresh weights, drawn with `generator`."""
        super().__init__()
        a = architecture
        self.architecture, network = a, NETWORKS.get(a.blocks)(a)
        # The order of these lines is that of the initial draws, and of the optimiser's state in checkpoints.
        self.encoder, features = network.encoder()
        self.head = Head(features, a.latent, POSTERIORS.get(a.posterior))
        self.decoder = network.decoder()
        self.likelihood = LIKELIHOODS.get(a.likelihood).build(a.sigma)
        glorot(self, generator)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def posterior(self) -> type[Posterior]:
        """The class of `encode`'s results, which states the facts about its kind."""
        return self.head.posterior

    @property
    def pixels(self) -> int:
        """D, the number of values in an image."""
        return self.architecture.pixels

    def encode(self, x: Float[Tensor, "n c h w"]) -> Posterior:
        """q(z|x) of images in [0, 1]."""
        return self.head(self.encoder(x))

    def decode(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """E[x|z], images in [0, 1]."""
        return self.likelihood.mean(self.decoder(z))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Reconstructions E[x|z] at the posterior mean z of images in [0, 1]."""
        return self.decode(self.encode(x).mean)

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        noise: Float[Tensor, "n d"],
        corrupted: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """Distortion and rate of images in [0, 1], at one z ~ q(z|x) per image that `noise` ~ N(0, I) determines.

        `corrupted` is the encoder's input in place of x, for a denoising autoencoder.
        """
        posterior = self.encode(x if corrupted is None else corrupted)
        z = posterior.sample(noise)
        output = self.decoder(z)
        error = self.likelihood.error(output, x)
        return Terms(z, output, error, self.likelihood.cost(error, self.pixels), posterior.rate())

    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
