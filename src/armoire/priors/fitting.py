"""Fit a prior of any registered kind to latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int

from armoire.errors import ArmoireError, did_you_mean
from armoire.priors.kinds import PRIORS
from armoire.priors.prior import CopyShare, LatentDraws, Prior
from armoire.progress import SILENT, Progress

FEWEST = 20  # latents that a prior can be fitted to
FOR_A_FLOW = 32  # dimensions; with more, a mixture of Gaussians fitted better
HELD_OUT = 10  # every tenth latent is held out from the fit
MOST_COMBINED = 20_000  # latents that a kind which combines latents is fitted to

Rows = Int[np.ndarray, " k"]


def stored_kinds() -> list[str]:
    """The kinds that are fitted on request and stored in a run."""
    return [kind for kind in PRIORS.names() if PRIORS.get(kind).is_stored]


def usual_kind(asked: str, dimensions: int) -> str:
    """The kind to fit: the one that a recipe asks for, if it can be fitted, or else the one that suits the latents."""
    return asked if asked in stored_kinds() else "flow" if dimensions <= FOR_A_FLOW else "gmm"


def fit_prior(
    kind: str,
    latents: LatentDraws,
    *,
    copied: Callable[[Rows, Rows], CopyShare | None] = lambda _, __: None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[Prior, dict[str, Any]]:
    """Fit a prior to nine in ten training latents: to draws z ~ q(z|x), the distribution the decoder was trained on.

    `copied` makes what kinds need that combine training latents, from the rows of the nine in ten and of those held
    out: the share of samples that are copies. Where it returns None their samples are not checked. Such kinds are
    fitted to 20,000 of more latents, and then combine all.

    Returns the prior, and its fit to the held-out latents: `held_out`, their number; `log_prob`, their mean log p(z) in
    nats; `log_prob_normal`, that under N(0, I); of a mixture `by_components`; of `neighbours`, which has no density,
    `tried` instead.
    """
    if kind not in stored_kinds():
        raise ArmoireError(f"no prior '{kind}' can be fitted; {did_you_mean(kind, stored_kinds())}")
    if len(latents) < FEWEST:
        raise ArmoireError(f"{len(latents)} training latents are too few to fit a prior to; train on {FEWEST} or more")
    if not np.isfinite(latents.mean).all():
        raise ArmoireError("no prior can be fitted: some latents are not finite; train again with a smaller --lr")
    cls, random = PRIORS.get(kind), np.random.default_rng(seed)
    rows = np.arange(len(latents))
    if cls.needs_latents:
        rows = np.sort(random.permutation(rows)[:MOST_COMBINED])
    apart = np.arange(len(rows)) % HELD_OUT == HELD_OUT - 1
    kept, held_out = rows[~apart], rows[apart]
    more = {"copied": copied(kept, held_out)} if cls.needs_latents else {}
    prior, report = cls.fit(latents[kept], latents[held_out], random=random, seed=seed, progress=progress, **more)
    return prior.with_latents(latents), report
