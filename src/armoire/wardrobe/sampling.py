"""Samples of one class, and the training images that samples lie between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from armoire.errors import ArmoireError, did_you_mean
from armoire.priors import PRIORS, NeighbourAverages, Prior
from armoire.wardrobe.latents import Latents

BETWEEN = (
    "each sample lies between training images, which `armoire sample --json` names, and may show parts of them: share "
    "none if the images are private"
)


def warning_of(kinds: Sequence[str]) -> str:
    """What to know before samples are shared, for the fitted kinds of a run, best first; "" where nothing."""
    return BETWEEN if kinds and PRIORS.get(kinds[0]).needs_latents else ""


def draw(
    prior: Prior,
    n: int,
    random: np.random.Generator,
    temperature: float,
    label: str | None,
    *,
    train: Callable[[], Latents],
    classes: Sequence[str],
) -> tuple[Float[np.ndarray, "n d"], list[dict[str, float]]]:
    """n latents, of one class where `label` is given, and the weight of each training image, by id, in each of them.

    The weights are [] where the prior does not combine the latents of `train`.

    Raises:
        ArmoireError: there is no such class, it has fewer images than an average is taken of, or the prior does not
            combine training latents.
    """
    if not isinstance(prior, NeighbourAverages):
        if label is not None:
            fit = "`armoire prior RUN --kind neighbours` fits"
            raise ArmoireError(f"{prior.name} knows no classes; --label needs the prior neighbours, which {fit}")
        return prior.sample(n, random, temperature), []
    latents = train()
    ids = np.array(latents.ids, object)
    if label is not None:
        if label not in classes:
            raise ArmoireError(f"no class '{label}' in the training data; {did_you_mean(label, classes)}")
        rows = np.flatnonzero(latents.labels == list(classes).index(label))
        if len(rows) < prior.averaging.count:
            raise ArmoireError(
                f"class '{label}' has {len(rows)} training images, too few for averages of {prior.averaging.count}"
            )
        prior, ids = replace(prior, latents=prior.latents[rows]), ids[rows]
    drawn = prior.draw(n, random, temperature)
    pairs = zip(ids[drawn.rows].tolist(), drawn.weights.tolist(), strict=True)
    return drawn.z, [dict(zip(names, weights, strict=True)) for names, weights in pairs]
