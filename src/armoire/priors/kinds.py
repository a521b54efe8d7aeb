"""The registered kinds of priors; listing their names imports none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armoire.registry import Registry

if TYPE_CHECKING:
    from armoire.priors.prior import Prior

PRIORS: Registry[type[Prior]] = Registry(
    "prior",
    "armoire.priors",
    {
        "normal": "armoire.priors.normal:StandardNormal",
        "box": "armoire.priors.box:Box",
        "gmm": "armoire.priors.mixture:Mixture",
        "flow": "armoire.priors.flow:Flow",
        "neighbours": "armoire.priors.neighbours:NeighbourAverages",
    },
)
