"""Distortion, rate and objective in nats per image, and the same in the scale of the published code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from armoire.measure.measure import Context, Measure
from armoire.training.averages import published_scale


def elbo(context: Context) -> dict[str, float]:
    """distortion_nats, rate_nats, objective_nats: means over images with z sampled, as the training objective."""
    terms = context.averages
    return {"distortion_nats": terms.distortion, "rate_nats": terms.rate, "objective_nats": terms.objective}


def published(context: Context) -> dict[str, Any] | None:
    """reconstruction_loss, kl_loss, total_loss; None where the recipe has no published counterpart."""
    scale = published_scale(context.wardrobe.recipe, context.averages)
    return asdict(scale) if scale else None


ELBO = Measure(elbo)
PUBLISHED_SCALE = Measure(published)
