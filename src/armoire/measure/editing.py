"""Gain, flip rate and leakage of edits along attribute directions, as an attribute classifier predicts them.

Every edit is compared with the reconstruction, never with the photograph: `retention` is what the model loses, gain and
leakage are what a direction changes. Changes of a logit are in standard deviations of that logit over the held-out
photographs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int8

from armoire.images import ImageSet
from armoire.io.artifacts import JsonFormat
from armoire.measure.attribute_classifier import (
    FEWEST,
    VERSION,
    AttributeClassifier,
    balanced_accuracy,
    held_back,
    known_attributes,
    load_attribute_classifier,
    predict,
)
from armoire.measure.intervals import Interval, interval
from armoire.measure.measure import Context, Measure
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches
from armoire.wardrobe import METHODS, Direction, Wardrobe

EDITING = JsonFormat[dict[str, Any]]("armoire-editing-1")
ACCURATE = 0.75  # balanced accuracy below which an attribute is not measured
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
EDITED = 200  # images per attribute
CLEAN = 0.5  # standard deviations: an edit is clean while no other attribute moves by more
CONFUSED = 0.9  # correlation of two logits over photographs above which the classifier cannot separate the attributes
TOLERANCE = 0.02  # standard deviations from one
TRIES = 5


@dataclass(frozen=True, eq=False)
class EditEvaluation:
    """The logits of held-out images and their reconstructions, against which edits are measured."""

    wardrobe: Wardrobe
    classifier: AttributeClassifier
    attributes: list[str]  # that the classifier predicts well enough
    known: Int8[np.ndarray, "n a"]  # 1 yes, -1 no, 0 unknown
    z: Float[np.ndarray, "n d"]
    photographs: Float[np.ndarray, "n a"]
    reconstructions: Float[np.ndarray, "n a"]

    @cached_property
    def deviations(self) -> Float[np.ndarray, " a"]:
        """Standard deviation of each logit over the photographs."""
        return np.maximum(self.photographs.std(axis=0), 1e-9)

    @cached_property
    def correlations(self) -> Float[np.ndarray, "a a"]:
        """Correlation of each pair of logits over the photographs."""
        return np.corrcoef(self.photographs, rowvar=False).reshape(len(self.attributes), -1)

    def confused(self, target: int) -> dict[str, float]:
        """Attributes that the classifier cannot separate from a target, with the correlation of their logits."""
        pairs = zip(self.attributes, self.correlations[target].tolist(), strict=True)
        return {name: r for k, (name, r) in enumerate(pairs) if k != target and abs(r) > CONFUSED}

    def changes(self, rows: np.ndarray, direction: Direction, strength: float) -> Float[np.ndarray, "m a"]:
        """Change of each logit from the reconstruction to the edit, in standard deviations."""
        columns = [self.classifier.attributes.index(name) for name in self.attributes]
        after = _decoded_logits(self.wardrobe, self.classifier, direction.move(self.z[rows], strength))[:, columns]
        return (after - self.reconstructions[rows]) / self.deviations


def measure_editing(
    wardrobe: Wardrobe,
    classifier: AttributeClassifier,
    images: ImageSet,
    part: ImageSet,
    z: np.ndarray,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Measure the edits of the images `part`, whose latents are z, along every direction of a run.

    Returns the object "editing" of `armoire evaluate --json`, described in docs/measures.md. `images` is the data set
    that the classifier was trained on.
    """
    accuracies = _accuracies(classifier, images)
    accurate = [name for name, accuracy in accuracies.items() if accuracy is not None and accuracy >= ACCURATE]
    columns = [classifier.attributes.index(name) for name in accurate]
    photographs = predict(classifier, Batches(part.images, wardrobe.model.device))
    reconstructions, known = _decoded_logits(wardrobe, classifier, z), _known(part, classifier)
    editing = EditEvaluation(
        wardrobe, classifier, accurate, known[:, columns], z, photographs[:, columns], reconstructions[:, columns]
    )
    found: dict[str, Any] = {
        "faces": len(part),
        "judge": {"trained_on": int((~held_back(images.splits["train"])).sum()), "balanced_accuracy": accuracies},
        "left_out": [name for name in classifier.attributes if name not in accurate],
        **_retention(editing),
        "methods": {},
    }
    with progress.task("measuring edits", len(METHODS) * len(accurate), "edits") as task:
        for method in METHODS:
            directions = wardrobe.directions(method)
            found["methods"][method] = {}
            for name in accurate:
                if name in directions and (edits := _edits(editing, directions[name])):
                    found["methods"][method][name] = edits
                task.advance()
    return found


def held_out_editing(wardrobe: Wardrobe, progress: Progress = SILENT) -> dict[str, Any] | None:
    """`measure_editing` on the held-out images of a run, cached in RUN/editing.json; None without attributes."""

    def measure() -> dict[str, Any]:
        images = wardrobe.images
        classifier = load_attribute_classifier(images, wardrobe.model.device, progress)
        part, z = images.split(images.held_out), wardrobe.latents.split(images.held_out).mean
        return measure_editing(wardrobe, classifier, images, part, z, progress)

    if not wardrobe.latents.attributes:
        return None
    settings = {"classifier": VERSION}
    return wardrobe.run.artifacts.get("editing.json", EDITING, measure, settings=settings, progress=progress)


def _compute(context: Context) -> dict[str, Any] | None:
    wardrobe, data = context.wardrobe, context.classifier_data
    if context.is_held_out and (found := held_out_editing(wardrobe, context.progress)):
        return found
    if data is None:
        return None
    classifier = load_attribute_classifier(data, wardrobe.model.device, context.progress)
    return measure_editing(wardrobe, classifier, data, context.part, context.latents.mean, context.progress)


MEASURE = Measure(_compute, lambda context: context.has_attributes)


def leakage_matrix(found: dict[str, Any], method: str) -> tuple[list[str], Float[np.ndarray, "a a"]]:
    """Mean absolute change of each attribute (column) at the strength that moves another (row) by 1; in deviations.

    Returns the attributes, and the matrix of one method, NaN on its diagonal and where a row's attribute never moved
    that far; `found` is the result of `measure_editing`.
    """
    names = list(found["retention"])
    matrix = np.full((len(names), len(names)), np.nan)
    for name, edits in found["methods"][method].items():
        for other, change in (edits["at_one_spread"] or {}).get("leakage", {}).items():
            matrix[names.index(name), names.index(other)] = change
    return names, matrix


def _accuracies(classifier: AttributeClassifier, images: ImageSet) -> dict[str, float | None]:
    """Balanced accuracy per attribute on the held-out images and the training images held back from the classifier."""
    train, held_out = images.split("train"), images.split(images.held_out)
    device, unseen = classifier.offset.device, np.flatnonzero(held_back(len(train)))
    logits = [
        predict(classifier, Batches(train.images, device), unseen),
        predict(classifier, Batches(held_out.images, device)),
    ]
    predictions = np.concatenate(logits) > 0
    known = np.concatenate([known_attributes(train)[unseen], _known(held_out, classifier)])
    return {name: balanced_accuracy(predictions[:, k], known[:, k]) for k, name in enumerate(classifier.attributes)}


def _known(part: ImageSet, classifier: AttributeClassifier) -> Int8[np.ndarray, "n a"]:
    """The true attributes of images, in the classifier's order; 0 where unknown."""
    unknown, names = np.zeros(len(part), np.int8), classifier.attributes
    return np.stack([part.attribute(name) if name in part.attributes else unknown for name in names], axis=1)


def _retention(editing: EditEvaluation) -> dict[str, dict[str, Interval | None]]:
    """How often photograph and reconstruction get the same prediction: over all images, and over positives."""
    positive = editing.photographs > 0
    same = positive == (editing.reconstructions > 0)
    over_all, over_positives = {}, {}
    for k, name in enumerate(editing.attributes):
        positives = same[positive[:, k], k]
        over_all[name] = interval(same[:, k])
        over_positives[name] = interval(positives) if len(positives) >= FEWEST else None
    return {"retention": over_all, "retention_with": over_positives}


@torch.no_grad()
def _decoded_logits(wardrobe: Wardrobe, classifier: AttributeClassifier, z: np.ndarray) -> Float[np.ndarray, "n a"]:
    """The classifier's logits of decoded latents."""
    parts = []
    for start in range(0, len(z), EVALUATION_BATCH):
        batch = torch.from_numpy(z[start : start + EVALUATION_BATCH]).to(wardrobe.model.device)
        parts.append(classifier(wardrobe.model.decode(batch)).cpu())
    return torch.cat(parts).numpy()


def _edits(editing: EditEvaluation, direction: Direction) -> dict[str, Any] | None:
    """One attribute added along one direction to images that lack it; None where there are too few of them."""
    target = editing.attributes.index(direction.attribute)
    # A reconstruction that is predicted to have it already cannot be flipped.
    lacking = np.flatnonzero((editing.known[:, target] < 1) & (editing.reconstructions[:, target] <= 0))
    rows = np.sort(np.random.default_rng(0).permutation(lacking)[:EDITED])
    if len(rows) < FEWEST:
        return None
    steps = [_at_strength(editing, direction, rows, strength) for strength in STRENGTHS]
    clean = [step for step in steps if step["leakage_max"] is not None and step["leakage_max"] < CLEAN]
    cleanest = max(clean, key=lambda step: step["flip_rate"]["value"], default=None)
    return {
        "faces": len(rows),
        "confused": editing.confused(target),
        "steps": [_without(step, "leakage") for step in steps],
        "at_one_spread": _at_unit_gain(editing, direction, rows, [step["gain"]["value"] for step in steps]),
        "clean": _without(cleanest, "leakage") if cleanest and cleanest["flip_rate"]["value"] else None,
    }


def _at_strength(editing: EditEvaluation, direction: Direction, rows: np.ndarray, strength: float) -> dict[str, Any]:
    """Gain, flip rate and leakage at one strength."""
    target = editing.attributes.index(direction.attribute)
    changes = editing.changes(rows, direction, strength)
    names = [name for name in editing.attributes if name != direction.attribute]
    leakage = np.abs(np.delete(changes, target, axis=1))
    # A confused attribute moves with the target whatever the edit does.
    confused = editing.confused(target)
    separable = [k for k, name in enumerate(names) if name not in confused]
    return {
        "strength": strength,
        "gain": interval(changes[:, target]),
        # Which edits are predicted to have the target.
        "flip_rate": interval(
            editing.reconstructions[rows, target] + changes[:, target] * editing.deviations[target] > 0
        ),
        "leakage_mean": interval(leakage[:, separable].mean(axis=1)) if separable else None,
        "leakage_max": float(leakage[:, separable].mean(axis=0).max()) if separable else None,
        "leakage": dict(zip(names, leakage.mean(axis=0).tolist(), strict=True)),
    }


def _at_unit_gain(
    editing: EditEvaluation, direction: Direction, rows: np.ndarray, gains: list[float]
) -> dict[str, Any] | None:
    """The numbers at the strength whose gain is one standard deviation; None where no strength reaches it."""
    bracket = _bracket(gains)
    if bracket is None:
        return None
    (low, gain_low), (high, gain_high) = bracket
    found = {}
    for _ in range(TRIES):
        strength = low + (1 - gain_low) / (gain_high - gain_low) * (high - low)
        found = _at_strength(editing, direction, rows, strength)
        if math.isclose(gain := found["gain"]["value"], 1, abs_tol=TOLERANCE):
            break
        if gain < 1:
            low, gain_low = strength, gain
        else:
            high, gain_high = strength, gain
    return found


def _bracket(gains: list[float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The two neighbouring strengths, with their gains, between which the gain passes one."""
    tried = [(0.0, 0.0), *zip(STRENGTHS, gains, strict=True)]
    return next(((a, b) for a, b in pairwise(tried) if b[1] >= 1), None)


def _without(step: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name != key}
