"""Priors: distributions p(z) to draw latents from, independent of runs, images and decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armoire.lazy import lazily
from armoire.priors.kinds import PRIORS

if TYPE_CHECKING:
    from armoire.priors.box import Box
    from armoire.priors.fitting import FEWEST, fit_prior, stored_kinds, usual_kind
    from armoire.priors.neighbours import NeighbourAverages
    from armoire.priors.normal import StandardNormal
    from armoire.priors.prior import LatentDraws, Prior

__all__ = [
    "FEWEST",
    "PRIORS",
    "Box",
    "LatentDraws",
    "NeighbourAverages",
    "Prior",
    "StandardNormal",
    "fit_prior",
    "stored_kinds",
    "usual_kind",
]

# Imported when first used: they bring torch, which a recipe's names do not need.
__getattr__ = lazily(
    __name__,
    {
        "box": ("Box",),
        "fitting": ("FEWEST", "fit_prior", "stored_kinds", "usual_kind"),
        "neighbours": ("NeighbourAverages",),
        "normal": ("StandardNormal",),
        "prior": ("LatentDraws", "Prior"),
    },
)
