"""Samples, and the training images that they lie between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from armoire.priors import PRIORS, NeighbourAverages, Prior

BETWEEN = (
    "each sample lies between training images, which `armoire sample --json` names, and may show parts of them: share "
    "none if the images are private"
)


def warning_of(kinds: Sequence[str]) -> str:
    """What to know before samples are shared, for the fitted kinds of a run, best first; "" where nothing."""
    return BETWEEN if kinds and PRIORS.get(kinds[0]).needs_latents else ""


def draw(
    prior: Prior, n: int, random: np.random.Generator, temperature: float, ids: Callable[[], Sequence[str]]
) -> tuple[Float[np.ndarray, "n d"], list[dict[str, float]]]:
    """n latents, and the weight of each training image, by id, in each of them.

    The weights are [] where the prior does not combine training latents, whose `ids` are asked for otherwise.
    """
    if not isinstance(prior, NeighbourAverages):
        return prior.sample(n, random, temperature), []
    drawn, names = prior.draw(n, random, temperature), np.array(ids(), object)
    pairs = zip(names[drawn.rows].tolist(), drawn.weights.tolist(), strict=True)
    return drawn.z, [dict(zip(of, weights, strict=True)) for of, weights in pairs]
