"""Everything that `armoire evaluate` reports of a run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from armoire.checks import check_temperature
from armoire.errors import ArmoireError
from armoire.images import Images, ImageSet
from armoire.io.files import read_checksummed, write_checksummed
from armoire.measure.aggregate_posterior import health
from armoire.measure.attribute_classifier import VERSION, load_attribute_classifier
from armoire.measure.denoising import measure_denoising
from armoire.measure.editing import measure_editing
from armoire.measure.features import make_extractor
from armoire.measure.importance_weighted import likelihood_bound
from armoire.measure.kept import keep_evaluation
from armoire.measure.latent_statistics import latent_statistics
from armoire.measure.reconstruction import reconstruction_error
from armoire.measure.report_tables import Evaluation
from armoire.measure.samples import measure_samples
from armoire.progress import SILENT, USUAL, Progress
from armoire.training.averages import average_over, published_scale
from armoire.training.batches import Batches
from armoire.wardrobe import RunLike, Wardrobe, encode_set

SAMPLES = 2000
FEWEST = 20  # images of a set, below which a quick look says nothing of samples
EDITING = "armoire-editing-1"


def evaluate(
    wardrobe: RunLike,
    images: Images | None = None,
    split: str | None = None,
    progress: Progress = USUAL,
    samples: int | None = None,
    features: str | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    draws: int | None = None,
    denoising: bool = False,
    judged: bool = True,
) -> Evaluation:
    """Measure a run on one split of a data set.

    What is found on the held-out images that the run came with is kept in RUN/evaluation.json.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        images: the data, as `Wardrobe.load` takes it; by default what it was trained on.
        split: train, valid or test; by default the held-out one.
        progress: where to report.
        samples: how many images to draw, to measure samples. By default they are only looked at quickly, 2,000 by the
            classifier that edits are measured with, where the data have attributes.
        features: what they are compared by: `efficientnet-lite0` (the default where `samples` is given), `classifier`
            or `inception`.
        prior: where to draw them from, as in `Wardrobe.prior`.
        temperature: of these draws.
        draws: measure the likelihood, with so many draws an image.
        denoising: measure how well noise of several kinds is taken off.
        judged: ask a classifier about samples and edits where the data have attributes; teaching it takes minutes.

    Returns:
        The object that `armoire evaluate --json` prints; docs/measures.md says what each number is.

    Raises:
        ArmoireError: what was asked for cannot be measured of this run.
    """
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    check_temperature(temperature)
    as_trained, images = images is None, wardrobe.images if images is None else wardrobe.load(images)
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
    averages = average_over(wardrobe.model, Batches(part.images, wardrobe.model.device), wardrobe.recipe)
    published = published_scale(wardrobe.recipe, averages)
    found: dict[str, Any] = {
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
        "published_scale": published.to_dict() if published else None,
        "latent": {
            **latent_statistics(embeddings, part.labels, images.info.classes, wardrobe.prior(prior)),
            **health(wardrobe.latents.split("train"), latents, wardrobe.prior(prior)),
        },
        "likelihood": _likelihood(wardrobe, part, draws, prior, progress),
        "denoising": measure_denoising(wardrobe.model, part, wardrobe.recipe.noise, progress=progress)
        if denoising
        else None,
        "samples": None,
        "editing": None,
    }
    if split != "train" and judged:  # a judge was taught with these: of them it can say nothing new
        taught = _classifier_data(wardrobe, images, progress)
        asked = _Asked(samples, features, prior, temperature)
        found["samples"] = _samples(wardrobe, images, part, embeddings, asked, taught, progress)
        if taught and taught.attributes:
            classifier = load_attribute_classifier(taught, wardrobe.model.device, progress)
            measured = editing_of(wardrobe, progress) if known else None
            found["editing"] = measured or measure_editing(wardrobe, classifier, taught, part, embeddings, progress)
    if known and prior is None and temperature == 1:
        keep_evaluation(wardrobe.run, found, samples is not None or features is not None)
    return Evaluation(found)


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
        kept = read_checksummed(path)
        if kept["made_of"] == key:
            return kept["editing"]
    if wardrobe in _measured:
        return _measured[wardrobe]
    if not wardrobe.latents.attributes:
        return None
    images = wardrobe.images
    classifier = load_attribute_classifier(images, wardrobe.model.device, progress)
    part, z = images.split(images.held_out), wardrobe.latents.split(images.held_out).mean
    found = measure_editing(wardrobe, classifier, images, part, z, progress)
    _measured[wardrobe] = found
    with contextlib.suppress(ArmoireError):
        write_checksummed(path, {"made_of": key, "editing": found})
    return found


@dataclass(frozen=True)
class _Asked:
    samples: int | None
    features: str | None
    prior: str | None
    temperature: float

    @property
    def anything(self) -> bool:
        return self.samples is not None or self.features is not None


def _samples(
    wardrobe: Wardrobe,
    images: ImageSet,
    part: ImageSet,
    z: np.ndarray,
    asked: _Asked,
    taught: ImageSet | None,
    progress: Progress,
) -> dict[str, Any] | None:
    """Samples by the features asked for; by a classifier of attributes where nothing is; None where there is none."""
    if not asked.anything and not (taught and taught.attributes):
        return None
    name = asked.features or ("efficientnet-lite0" if asked.anything else "classifier")
    with_training = images if "train" in images.splits else taught
    if with_training is None:
        raise ArmoireError(f"samples cannot be compared without the training images of {wardrobe.run.path}")
    extractor = make_extractor(name, taught, wardrobe.model.device, progress)
    drawn_from, n = wardrobe.prior(asked.prior), asked.samples or SAMPLES
    if not asked.anything and min(len(part), with_training.splits["train"]) < FEWEST:
        return None
    return measure_samples(
        wardrobe, extractor, with_training, part, z, n, drawn_from, asked.temperature, progress=progress
    )


def _likelihood(
    wardrobe: Wardrobe, part: ImageSet, draws: int | None, prior: str | None, progress: Progress
) -> dict[str, Any] | None:
    return None if draws is None else likelihood_bound(wardrobe, part, draws, wardrobe.prior(prior), progress)


def _classifier_data(wardrobe: Wardrobe, images: ImageSet, progress: Progress) -> ImageSet | None:
    """The data whose training images a judge can be taught with, if there are any."""
    if (images.attributes or images.info.classes) and "train" in images.splits:
        return images
    if wardrobe.latents.attributes:
        try:
            return wardrobe.images
        except ArmoireError as error:
            progress.note(f"edits and samples are not judged, which needs the training images: {error}")
    return None
