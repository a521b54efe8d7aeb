"""Posteriors, likelihoods and networks, and the one Autoencoder composed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armoire.lazy import lazily

if TYPE_CHECKING:
    from armoire.model.architecture import Architecture
    from armoire.model.autoencoder import Autoencoder, Terms
    from armoire.model.kinds import LIKELIHOODS, NETWORKS, POSTERIORS
    from armoire.model.likelihood import Likelihood, to_pixels, to_unit
    from armoire.model.networks import Network, PlainNetwork
    from armoire.model.posterior import Posterior

__all__ = [
    "LIKELIHOODS",
    "NETWORKS",
    "POSTERIORS",
    "Architecture",
    "Autoencoder",
    "Likelihood",
    "Network",
    "PlainNetwork",
    "Posterior",
    "Terms",
    "to_pixels",
    "to_unit",
]

# Imported on first use: they import torch, which reading the header of a model's file does not need.
__getattr__ = lazily(
    __name__,
    {
        "architecture": ("Architecture",),
        "autoencoder": ("Autoencoder", "Terms"),
        "kinds": ("LIKELIHOODS", "NETWORKS", "POSTERIORS"),
        "likelihood": ("Likelihood", "to_pixels", "to_unit"),
        "networks": ("Network", "PlainNetwork"),
        "posterior": ("Posterior",),
    },
)
