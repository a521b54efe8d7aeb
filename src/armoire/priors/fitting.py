"""Fit a prior of any registered kind to latents."""

from __future__ import annotations

from typing import Any

import numpy as np

from armoire.errors import ArmoireError, did_you_mean
from armoire.priors.kinds import PRIORS
from armoire.priors.prior import LatentDraws, Prior
from armoire.progress import SILENT, Progress

FEWEST = 20  # latents that a prior can be fitted to
HELD_OUT = 10  # every tenth latent is held out from the fit


def stored_kinds() -> list[str]:
    """The kinds that are fitted on request and stored in a run."""
    return [kind for kind in PRIORS.names() if PRIORS.get(kind).is_stored]


def fit_prior(
    kind: str, latents: LatentDraws, *, seed: int = 0, progress: Progress = SILENT
) -> tuple[Prior, dict[str, Any]]:
    """Fit a prior to nine in ten training latents: to draws z ~ q(z|x), the distribution the decoder was trained on.

    Returns the prior, and its fit to the held-out latents: `held_out`, their number; `log_prob`, their mean log p(z) in
    nats; `log_prob_normal`, that under N(0, I); and of a mixture `by_components`.
    """
    if kind not in stored_kinds():
        raise ArmoireError(f"no prior '{kind}' can be fitted; {did_you_mean(kind, stored_kinds())}")
    if len(latents) < FEWEST:
        raise ArmoireError(f"{len(latents)} training latents are too few to fit a prior to; train on {FEWEST} or more")
    if not np.isfinite(latents.mean).all():
        raise ArmoireError("no prior can be fitted: some latents are not finite; train again with a smaller --lr")
    apart = np.arange(len(latents)) % HELD_OUT == HELD_OUT - 1
    random = np.random.default_rng(seed)
    return PRIORS.get(kind).fit(latents[~apart], latents[apart], random=random, seed=seed, progress=progress)
