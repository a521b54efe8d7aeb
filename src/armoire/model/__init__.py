"""Posterior, likelihood and networks, and the one Autoencoder composed of them."""

from armoire.model.autoencoder import Architecture, Autoencoder, Terms
from armoire.model.likelihood import Bernoulli, CalibratedGaussian, Gaussian, Likelihood, to_pixels, to_unit
from armoire.model.posterior import DiagonalGaussian, Point, Posterior

__all__ = [
    "Architecture",
    "Autoencoder",
    "Bernoulli",
    "CalibratedGaussian",
    "DiagonalGaussian",
    "Gaussian",
    "Likelihood",
    "Point",
    "Posterior",
    "Terms",
    "to_pixels",
    "to_unit",
]
