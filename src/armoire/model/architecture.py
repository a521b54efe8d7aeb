"""All settings of an Autoencoder, checked before anything is built."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

SMALLEST, LARGEST = 16, 256  # side of the images
MOST_LATENT, MOST_STAGES, MOST_CHANNELS = 4096, 8, 4096


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build an Autoencoder, stored in the header of its weights; see the recipe's settings."""

    size: int  # side of the square images, a power of two
    image_channels: int  # 1 or 3
    latent: int  # d
    posterior: str = "gaussian"
    likelihood: str = "bernoulli"
    sigma: float = 1.0  # of the `gaussian` likelihood
    channels: tuple[int, ...] = ()  # of each stage of the network; empty: derived from the size
    norm: str = "none"
    activation: str = "relu"
    blocks: str = "plain"

    def __post_init__(self) -> None:
        """Bound the memory that building it takes: the values may come from an untrusted file."""
        whole = (self.size, self.image_channels, self.latent, *self.channels)
        kinds = (self.posterior, self.likelihood, self.norm, self.activation, self.blocks)
        if not all(type(value) is int for value in whole) or not all(type(kind) is str for kind in kinds):
            raise ValueError("sizes should be integers, and kinds strings")
        if not SMALLEST <= self.size <= LARGEST or self.size & (self.size - 1) or self.image_channels not in (1, 3):
            raise ValueError(f"{self.size} x {self.size} x {self.image_channels} is no supported image size")
        if not 1 <= self.latent <= MOST_LATENT:
            raise ValueError(f"latent should be 1 to {MOST_LATENT}, not {self.latent}")
        if len(self.channels) > MOST_STAGES or not all(1 <= c <= MOST_CHANNELS for c in self.channels):
            raise ValueError(f"channels should be at most {MOST_STAGES} numbers of 1 to {MOST_CHANNELS}")
        if not isinstance(self.sigma, float | int) or not 0 < self.sigma < math.inf:
            raise ValueError(f"sigma should be above 0, not {self.sigma}")

    @property
    def pixels(self) -> int:
        """D = c * h * w, the number of values in an image."""
        return self.image_channels * self.size**2

    def to_dict(self) -> dict[str, object]:
        return asdict(self)
