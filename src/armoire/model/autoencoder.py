"""One Autoencoder, composed of an encoder, a posterior, a decoder and a likelihood."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.model.draws import Draws
from armoire.model.likelihood import make_likelihood
from armoire.model.networks import conv_decoder, conv_encoder, derive_channels, glorot
from armoire.model.posterior import HEADS, Posterior
from armoire.model.pretrained import Pretrained
from armoire.model.residual import PATCH, ResidualDecoder, ResidualEncoder, derive_stages

SMALLEST, LARGEST = 16, 256  # side of the images
MOST_LATENT, MOST_STAGES, MOST_CHANNELS = 4096, 8, 4096


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build an Autoencoder; it travels in the header of its weights.

    Attributes:
        size: side of the square images, a power of two.
        image_channels: 1 or 3.
        latent: number of latent dimensions d.
        posterior: `point` (an autoencoder) or `gaussian` (a variational autoencoder).
        likelihood: `bernoulli`, `gaussian`, `calibrated` or `laplace`.
        sigma: standard deviation of the `gaussian` likelihood.
        channels: of plain blocks, the channels of each halving; of residual ones, those at a quarter of the size and
            of each halving from there. Empty derives them from the size.
        norm: `none`, `batch` or `group`.
        activation: `relu`, `leaky_relu` or `silu`.
        blocks: `plain` or `residual`.
    """

    size: int
    image_channels: int
    latent: int
    posterior: str = "gaussian"
    likelihood: str = "bernoulli"
    sigma: float = 1.0
    channels: tuple[int, ...] = ()
    norm: str = "none"
    activation: str = "relu"
    blocks: str = "plain"

    def __post_init__(self) -> None:
        """See to it that it can be built at a bearable price: it may come from a stranger's file."""
        whole = (self.size, self.image_channels, self.latent, *self.channels)
        kinds = (self.posterior, self.likelihood, self.norm, self.activation, self.blocks)
        if not all(type(value) is int for value in whole) or not all(type(kind) is str for kind in kinds):
            raise ValueError("its numbers should be whole, and its kinds be names")
        if not SMALLEST <= self.size <= LARGEST or self.size & (self.size - 1) or self.image_channels not in (1, 3):
            raise ValueError(f"no images are {self.size} x {self.size} x {self.image_channels}")
        if not 1 <= self.latent <= MOST_LATENT:
            raise ValueError(f"{self.latent} latent dimensions are not 1 to {MOST_LATENT}")
        if len(self.channels) > MOST_STAGES or not all(1 <= c <= MOST_CHANNELS for c in self.channels):
            raise ValueError(f"channels should be at most {MOST_STAGES} numbers of 1 to {MOST_CHANNELS}")
        if not isinstance(self.sigma, float | int) or not 0 < self.sigma < math.inf:
            raise ValueError(f"sigma should be above 0, not {self.sigma}")

    @property
    def stages(self) -> tuple[int, ...]:
        """The channels, those derived from the size where none are given."""
        return self.channels or (derive_stages if self.blocks == "residual" else derive_channels)(self.size)

    @property
    def shrinkage(self) -> int:
        """How many pixels of the image, along a side, become one of the encoder's last stage."""
        return PATCH << len(self.stages) - 1 if self.blocks == "residual" else 1 << len(self.stages)

    def to_dict(self) -> dict[str, object]:
        """Plain values, as they are written to a file."""
        return asdict(self)


@dataclass(frozen=True)
class Terms:
    """What one look at n images costs, per image and in nats.

    Attributes:
        z: where they were placed.
        output: the decoder's, the parameters of p(x|z).
        error: the likelihood's mean error a pixel value.
        distortion: -log p(x|z).
        rate: KL(q(z|x) || N(0, I)).
    """

    z: Float[Tensor, "n d"]
    output: Float[Tensor, "n c h w"]
    error: Float[Tensor, " n"]
    distortion: Float[Tensor, " n"]
    rate: Float[Tensor, " n"]

    def objective(self, beta: float) -> Float[Tensor, " n"]:
        """distortion + beta * rate; beta weighs the KL, as in Higgins et al. 2017."""
        return self.distortion + beta * self.rate


class Autoencoder(nn.Module, Pretrained):
    """x -> q(z|x) -> z -> p(x|z). Its settings make it an autoencoder, a VAE, or what lies between."""

    def __init__(self, architecture: Architecture, generator: torch.Generator | None = None) -> None:
        """Build it with fresh weights, drawn with `generator` where one is given."""
        super().__init__()
        a = architecture
        self.architecture = a
        # In this order: it is that of the initial draws, and of the optimiser's state in checkpoints.
        self.encoder, decoder, features = _networks(a)
        self.head = HEADS[a.posterior](features, a.latent)
        self.decoder = decoder
        self.likelihood = make_likelihood(a.likelihood, a.sigma)
        glorot(self, generator)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    @property
    def pixels(self) -> int:
        """D, the number of values in an image."""
        return self.architecture.image_channels * self.architecture.size**2

    def encode(self, x: Float[Tensor, "n c h w"]) -> Posterior:
        """q(z|x) of images in [0, 1]."""
        return self.head(self.encoder(x))

    def decode(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c h w"]:
        """E[x|z], images in [0, 1]."""
        return self.likelihood.mean(self.decoder(z))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The reconstruction of images in [0, 1], from the mean of their posterior."""
        return self.decode(self.encode(x).mean)

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        generator: Draws = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """Distortion and rate of images in [0, 1], with one z drawn an image.

        Args:
            x: the images to explain.
            generator: draws z.
            seen: what the encoder is shown in place of x, a noisy copy for a denoising autoencoder.
        """
        posterior = self.encode(x if seen is None else seen)
        z = posterior.sample(generator)
        output = self.decoder(z)
        error = self.likelihood.error(output, x)
        return Terms(z, output, error, self.likelihood.cost(error, self.pixels), posterior.rate())

    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def _networks(a: Architecture) -> tuple[nn.Module, nn.Module, int]:
    """Encoder, decoder, and the number of features between the encoder and its head."""
    if a.size % a.shrinkage:
        raise ValueError(f"{len(a.stages)} stages do not divide a size of {a.size}")
    shape = (a.image_channels, a.size, a.stages)
    if a.blocks == "residual":
        encoder = ResidualEncoder(*shape, a.latent, a.norm, a.activation)
        return encoder, ResidualDecoder(a.latent, *shape, a.norm, a.activation), encoder.features
    encoder = conv_encoder(a.image_channels, a.stages, a.norm, a.activation)
    features = a.stages[-1] * (a.size // a.shrinkage) ** 2
    return encoder, conv_decoder(a.latent, *shape, a.norm, a.activation), features
