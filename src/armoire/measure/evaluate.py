"""Everything that `armoire evaluate` reports of a run."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from armoire.errors import ArmoireError
from armoire.files import write_text
from armoire.images import ImageSet
from armoire.measure.editing import measure_editing
from armoire.measure.judge import VERSION, load_judge
from armoire.measure.latent import latent_statistics
from armoire.measure.reconstruction import reconstruction_error
from armoire.measure.samples import measure_samples
from armoire.progress import SILENT, Progress
from armoire.training.averages import average_over, book_scale
from armoire.training.feed import Feed
from armoire.wardrobe import Wardrobe, encode_set

SAMPLES = 2000
EDITING = "armoire-editing-1"


def evaluate(
    wardrobe: Wardrobe,
    images: ImageSet | None = None,
    split: str | None = None,
    progress: Progress = SILENT,
    samples: int = SAMPLES,
) -> dict[str, Any]:
    """Measure a run on one split of a data set.

    Args:
        wardrobe: the run.
        images: the data; by default what it was trained on.
        split: train, valid or test; by default the held-out one.
        progress: where to report.
        samples: how many images to draw where samples are measured.

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
        # The judge was taught with the training images: of them it can say nothing new.
        **(
            {"samples": None, "editing": None}
            if split == "train"
            else _judged(wardrobe, images, part, embeddings, samples, known, progress)
        ),
    }


# What was measured in this process of runs that may only be read, where it cannot be kept in the run.
_measured: WeakKeyDictionary[Wardrobe, dict[str, Any]] = WeakKeyDictionary()


def editing_of(wardrobe: Wardrobe, progress: Progress = SILENT) -> dict[str, Any] | None:
    """What `measure_editing` says of the held-out images that a run came with, kept in RUN/editing.json.

    Returns:
        None where no attributes are known.

    Raises:
        ArmoireError: it was not measured before, and the data are gone.
    """
    path, key = wardrobe.run.path / "editing.json", wardrobe.key() | {"format": EDITING, "judge": VERSION}
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_of"] == key:
            return kept["editing"]
    if wardrobe in _measured:
        return _measured[wardrobe]
    if not wardrobe.latents.attributes:
        return None
    images = wardrobe.images
    judge = load_judge(images, wardrobe.model.device, progress)
    part, z = images.split(images.held_out), wardrobe.latents.split(images.held_out).mean
    found = measure_editing(wardrobe, judge, images, part, z, progress)
    _measured[wardrobe] = found
    with contextlib.suppress(ArmoireError):
        write_text(path, json.dumps({"made_of": key, "editing": found}, indent=1) + "\n")
    return found


def _judged(
    wardrobe: Wardrobe, images: ImageSet, part: ImageSet, z: np.ndarray, samples: int, known: bool, progress: Progress
) -> dict[str, Any]:
    """What needs a judge, which needs training images whose attributes are known."""
    if (taught := _taught(wardrobe, images, progress)) is None:
        return {"samples": None, "editing": None}
    judge = load_judge(taught, wardrobe.model.device, progress)
    editing = editing_of(wardrobe, progress) if known else measure_editing(wardrobe, judge, taught, part, z, progress)
    return {"samples": measure_samples(wardrobe, judge, taught, part, z, samples), "editing": editing}


def _taught(wardrobe: Wardrobe, images: ImageSet, progress: Progress) -> ImageSet | None:
    """The data whose training images a judge can be taught with, if there are any."""
    if images.attributes and "train" in images.splits:
        return images
    if wardrobe.latents.attributes:
        try:
            return wardrobe.images
        except ArmoireError as error:
            progress.note(f"edits and samples are not judged, which needs the training images: {error}")
    return None
