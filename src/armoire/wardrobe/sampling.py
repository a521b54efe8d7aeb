"""Samples of one class, and the training images that samples lie between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from armoire.errors import ArmoireError, did_you_mean
from armoire.priors import NeighbourAverages, Prior
from armoire.wardrobe.latents import Latents

BETWEEN = (
    "each sample lies between training images, which `armoire sample --json` names, and may show parts of them: share "
    "none if the images are private"
)


def of_class(
    prior: Prior, train: Callable[[], Latents], classes: Sequence[str], label: str | None
) -> tuple[Prior, list[str]]:
    """A prior restricted to one class, and the ids of the images whose latents it combines, if it does.

    Raises:
        ArmoireError: there is no such class, it has fewer images than an average is taken of, or the prior does not
            combine training latents.
    """
    if not isinstance(prior, NeighbourAverages):
        if label is not None:
            raise ArmoireError(f"{prior.name} knows no classes; --label needs `armoire prior RUN --kind neighbours`")
        return prior, []
    latents = train()
    if label is None:
        return prior, latents.ids
    if label not in classes:
        raise ArmoireError(f"no class '{label}' in the training data; {did_you_mean(label, classes)}")
    rows = np.flatnonzero(latents.labels == list(classes).index(label))
    if len(rows) < prior.averaging.count:
        raise ArmoireError(
            f"class '{label}' has {len(rows)} training images, too few for averages of {prior.averaging.count}"
        )
    ids = latents.ids
    return replace(prior, latents=prior.latents[rows]), [ids[row] for row in rows]


def sources(
    prior: Prior, ids: list[str], n: int, random: np.random.Generator, temperature: float = 1.0
) -> list[dict[str, float]]:
    """The weight of each training image, by id, in each of the n samples that `prior.sample` draws; [] if in none."""
    if not isinstance(prior, NeighbourAverages):
        return []
    drawn = prior.draw(n, random, temperature)
    pairs = zip(drawn.rows.tolist(), drawn.weights.tolist(), strict=True)
    return [{ids[row]: float(w) for row, w in zip(rows, weights, strict=True)} for rows, weights in pairs]
