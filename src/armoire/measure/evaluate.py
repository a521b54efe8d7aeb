"""Everything that `armoire evaluate` reports of a run."""

from __future__ import annotations

from typing import Any

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.measure.latent import latent_statistics
from armoire.measure.reconstruction import reconstruction_error
from armoire.progress import SILENT, Progress
from armoire.training.averages import average_over, book_scale
from armoire.training.feed import Feed
from armoire.wardrobe import Wardrobe, encode_set


def evaluate(
    wardrobe: Wardrobe, images: ImageSet | None = None, split: str | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Measure a run on one split of a data set.

    Args:
        wardrobe: the run.
        images: the data; by default what it was trained on.
        split: train, valid or test; by default the held-out one.
        progress: where to report.

    Returns:
        The object that `armoire evaluate --json` prints; docs/measures.md says what each number is.
    """
    as_trained, images = images is None, images or wardrobe.images
    split = split or images.held_out
    part = images.split(split)
    a = wardrobe.model.architecture
    if part.shape != (a.size, a.size, a.image_channels):
        raise ArmoireError(
            f"{images.info.name} holds images of {part.shape}, the model wants {(a.size, a.size, a.image_channels)}"
        )
    # Those of the training images may be of the first few only.
    known = as_trained and split == images.held_out
    latents = wardrobe.latents.split(split) if known else encode_set(wardrobe.model, part, progress)
    embeddings = latents.mean
    averages = average_over(wardrobe.model, Feed(part.images, wardrobe.model.device), wardrobe.recipe)
    book = book_scale(wardrobe.recipe, averages)
    return {
        "data": {
            "name": images.info.name,
            "split": split,
            "n": len(part),
            "fingerprint": images.info.fingerprint,
            "as_trained_on": images.info.fingerprint == wardrobe.run.data.fingerprint,
        },
        "reconstruction": reconstruction_error(wardrobe.model, part),
        "elbo": {
            "distortion_nats": averages.distortion,
            "rate_nats": averages.rate,
            "objective_nats": averages.objective,
        },
        "book_scale": book.to_dict() if book else None,
        "latent": latent_statistics(embeddings, part.labels, images.info.classes, wardrobe.prior()),
    }
