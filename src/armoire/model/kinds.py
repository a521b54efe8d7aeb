"""The kinds that a model is composed of, by the names that recipes give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armoire.registry import Registry

if TYPE_CHECKING:
    from armoire.model.likelihood import Likelihood
    from armoire.model.networks import Network
    from armoire.model.posterior import Posterior

POSTERIORS: Registry[type[Posterior]] = Registry(
    "posterior",
    "armoire.posteriors",
    {"point": "armoire.model.posterior:Point", "gaussian": "armoire.model.posterior:DiagonalGaussian"},
)
LIKELIHOODS: Registry[type[Likelihood]] = Registry(
    "likelihood",
    "armoire.likelihoods",
    {
        "bernoulli": "armoire.model.likelihood:Bernoulli",
        "gaussian": "armoire.model.likelihood:Gaussian",
        "calibrated": "armoire.model.likelihood:CalibratedGaussian",
        "laplace": "armoire.model.likelihood:Laplace",
    },
)
NETWORKS: Registry[type[Network]] = Registry(
    "network",
    "armoire.networks",
    {"plain": "armoire.model.networks:PlainNetwork", "residual": "armoire.model.residual:ResidualNetwork"},
)
