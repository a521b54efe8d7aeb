"""What edits along the directions of attributes do, as a judge sees it.

An edit is compared with the reconstruction, never with the photograph: what the model loses is `retention`, what a
direction changes is gain and leakage. Changes of a logit are in spreads: standard deviations of that logit over the
photographs of the held-out images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8

from armoire.images import ImageSet
from armoire.measure.attribute_classifier import (
    FEWEST,
    AttributeClassifier,
    balanced_accuracy,
    held_back,
    known_attributes,
    predict,
)
from armoire.measure.bootstrap import Interval, interval
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches
from armoire.wardrobe import METHODS, Direction, Wardrobe

ABLE = 0.75  # balanced accuracy under which the judge is not asked about an attribute
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
FACES = 200  # edited an attribute
CLEAN = 0.5  # spreads: an edit is clean while no other attribute moves as far as this
CONFUSED = 0.9  # correlation of two logits over photographs above which the judge gives one answer for both
CLOSE = 0.02  # spreads from one: near enough
TRIES = 5


@dataclass(frozen=True, eq=False)
class EditEvaluation:
    """What the judge says of held-out images and of edits of them.

    Attributes:
        wardrobe: the run.
        classifier: of attributes.
        attributes: those that it predicts well enough, by name.
        known: what is true of them, (n, a): 1 yes, -1 no, 0 unknown.
        z: where the images lie, (n, d).
        photographs: its logits of the images, (n, a).
        reconstructions: its logits of their reconstructions, (n, a).
    """

    wardrobe: Wardrobe
    classifier: AttributeClassifier
    attributes: list[str]
    known: Int8[np.ndarray, "n a"]
    z: Float[np.ndarray, "n d"]
    photographs: Float[np.ndarray, "n a"]
    reconstructions: Float[np.ndarray, "n a"]

    @cached_property
    def spreads(self) -> Float[np.ndarray, " a"]:
        """Standard deviation of each logit over the photographs."""
        return np.maximum(self.photographs.std(axis=0), 1e-9)

    @cached_property
    def correlations(self) -> Float[np.ndarray, "a a"]:
        """How each pair of logits goes together over the photographs."""
        return np.corrcoef(self.photographs, rowvar=False).reshape(len(self.attributes), -1)

    def confused(self, target: int) -> dict[str, float]:
        """Attributes that the judge cannot tell from a target: the correlation of their logits over photographs."""
        pairs = zip(self.attributes, self.correlations[target].tolist(), strict=True)
        return {name: r for k, (name, r) in enumerate(pairs) if k != target and abs(r) > CONFUSED}

    def changes(self, rows: np.ndarray, direction: Direction, strength: float) -> Float[np.ndarray, "m a"]:
        """How far an edit moves each logit of some images from that of their reconstruction, in spreads."""
        columns = [self.classifier.attributes.index(name) for name in self.attributes]
        after = _decoded_logits(self.wardrobe, self.classifier, direction.move(self.z[rows], strength))[:, columns]
        return (after - self.reconstructions[rows]) / self.spreads

    def flipped(self, rows: np.ndarray, target: int, changes: Float[np.ndarray, "m a"]) -> Bool[np.ndarray, " m"]:
        """Which of them now seem to have the target."""
        return self.reconstructions[rows, target] + changes[:, target] * self.spreads[target] > 0


def measure_editing(
    wardrobe: Wardrobe,
    classifier: AttributeClassifier,
    images: ImageSet,
    part: ImageSet,
    z: np.ndarray,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """How well the directions of a run edit held-out images.

    Args:
        wardrobe: the run.
        classifier: of the attributes of `images`.
        images: the data set that the judge was trained on.
        part: the held-out images.
        z: where they lie, (n, d).
        progress: where to report.

    Returns:
        The object "editing" of `armoire evaluate --json`; docs/measures.md says what each number is.
    """
    accuracies = _ability(classifier, images)
    able = [name for name, accuracy in accuracies.items() if accuracy is not None and accuracy >= ABLE]
    columns = [classifier.attributes.index(name) for name in able]
    photographs, _ = predict(classifier, Batches(part.images, wardrobe.model.device))
    reconstructions, known = _decoded_logits(wardrobe, classifier, z), _known(part, classifier)
    editing = EditEvaluation(
        wardrobe, classifier, able, known[:, columns], z, photographs[:, columns], reconstructions[:, columns]
    )
    found: dict[str, Any] = {
        "faces": len(part),
        "judge": {"trained_on": int((~held_back(images.splits["train"])).sum()), "balanced_accuracy": accuracies},
        "left_out": [name for name in classifier.attributes if name not in able],
        **_retention(editing),
        "methods": {},
    }
    with progress.task("measuring edits", len(METHODS) * len(able), "edits") as task:
        for method in METHODS:
            directions = wardrobe.directions(method)
            found["methods"][method] = {}
            for name in able:
                if name in directions and (edits := _edits(editing, directions[name])):
                    found["methods"][method][name] = edits
                task.advance()
    return found


def leakage_matrix(found: dict[str, Any], method: str) -> tuple[list[str], Float[np.ndarray, "a a"]]:
    """Mean absolute change, in spreads, of each attribute (column) where another (row) was moved by one spread.

    Args:
        found: what `measure_editing` returned.
        method: of the directions.

    Returns:
        The attributes, and the matrix; NaN on its diagonal and where a row's attribute never moved by one spread.
    """
    names = list(found["retention"])
    matrix = np.full((len(names), len(names)), np.nan)
    for name, edits in found["methods"][method].items():
        for other, change in (edits["at_one_spread"] or {}).get("leakage", {}).items():
            matrix[names.index(name), names.index(other)] = change
    return names, matrix


def in_words(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The gist of what `measure_editing` returned: per attribute, what reconstructions keep, and what edits do."""
    lines = {}
    for name, alike in found["retention"].items():
        kept = f"judged alike in {alike['value']:.0%} of reconstructions"
        if with_it := found["retention_with"][name]:
            kept += f", {with_it['value']:.0%} of those that show it"
        by_method = ((method, edits.get(name)) for method, edits in found["methods"].items())
        lines[name] = kept, "; ".join(f"{method} {_gist(edits)}" for method, edits in by_method if edits)
    return lines


def left_out_in_words(found: dict[str, Any]) -> str:
    """Which attributes were not judged, and how badly the judge would have; "" where all were."""
    accuracies = found["judge"]["balanced_accuracy"]
    told = {name: accuracies[name] for name in found["left_out"]}
    return ", ".join(
        f"{name} ({'too few known' if accuracy is None else f'{accuracy:.2f}'})" for name, accuracy in told.items()
    )


def _gist(edits: dict[str, Any]) -> str:
    clean, there = edits["clean"], edits["at_one_spread"]
    flips = "never flips cleanly"
    if clean:
        flips = f"flips {clean['flip_rate']['value']:.0%} cleanly at {clean['strength']:g}"
    return flips + (f", leaks {there['leakage_mean']['value']:.2f}" if there and there["leakage_mean"] else "")


def _ability(classifier: AttributeClassifier, images: ImageSet) -> dict[str, float | None]:
    """How well the judge tells each attribute of held-out images, and of the training images it was not shown."""
    train, held_out = images.split("train"), images.split(images.held_out)
    device, unseen = classifier.offset.device, np.flatnonzero(held_back(len(train)))
    logits = [
        predict(classifier, Batches(train.images, device), unseen)[0],
        predict(classifier, Batches(held_out.images, device))[0],
    ]
    says = np.concatenate(logits) > 0
    known = np.concatenate([known_attributes(train)[unseen], _known(held_out, classifier)])
    return {name: balanced_accuracy(says[:, k], known[:, k]) for k, name in enumerate(classifier.attributes)}


def _known(part: ImageSet, classifier: AttributeClassifier) -> Int8[np.ndarray, "n a"]:
    """What is true of images, in the order of the judge's attributes."""
    unknown = np.zeros(len(part), np.int8)
    return np.stack(
        [part.attribute(name) if name in part.attributes else unknown for name in classifier.attributes], axis=1
    )


def _retention(editing: EditEvaluation) -> dict[str, dict[str, Interval | None]]:
    """How often the judge says the same of the reconstruction as of the photograph: of all, and of those with it."""
    has = editing.photographs > 0
    same = has == (editing.reconstructions > 0)
    alike, alike_with = {}, {}
    for k, name in enumerate(editing.attributes):
        with_it = same[has[:, k], k]
        alike[name] = interval(same[:, k])
        alike_with[name] = interval(with_it) if len(with_it) >= FEWEST else None
    return {"retention": alike, "retention_with": alike_with}


@torch.no_grad()
def _decoded_logits(wardrobe: Wardrobe, classifier: AttributeClassifier, z: np.ndarray) -> Float[np.ndarray, "n a"]:
    """The judge's logits of what is made at places."""
    parts = []
    for start in range(0, len(z), EVALUATION_BATCH):
        places = torch.from_numpy(z[start : start + EVALUATION_BATCH]).to(wardrobe.model.device)
        parts.append(classifier(wardrobe.model.decode(places)).cpu())
    return torch.cat(parts).numpy()


def _edits(editing: EditEvaluation, direction: Direction) -> dict[str, Any] | None:
    """One attribute added, by one direction, to images that lack it; None where there are too few of them."""
    target = editing.attributes.index(direction.attribute)
    # Whose reconstruction seems to have it already could not be flipped.
    lack = np.flatnonzero((editing.known[:, target] < 1) & (editing.reconstructions[:, target] <= 0))
    rows = np.sort(np.random.default_rng(0).permutation(lack)[:FACES])
    if len(rows) < FEWEST:
        return None
    steps = [_measured(editing, direction, rows, strength) for strength in STRENGTHS]
    clean = [step for step in steps if step["leakage_max"] is not None and step["leakage_max"] < CLEAN]
    cleanest = max(clean, key=lambda step: step["flip_rate"]["value"], default=None)
    return {
        "faces": len(rows),
        "confused": editing.confused(target),
        "steps": [_without(step, "leakage") for step in steps],
        "at_one_spread": _at_one_spread(editing, direction, rows, [step["gain"]["value"] for step in steps]),
        "clean": _without(cleanest, "leakage") if cleanest and cleanest["flip_rate"]["value"] else None,
    }


def _measured(editing: EditEvaluation, direction: Direction, rows: np.ndarray, strength: float) -> dict[str, Any]:
    """What one strength does to some images."""
    target = editing.attributes.index(direction.attribute)
    changes = editing.changes(rows, direction, strength)
    names = [name for name in editing.attributes if name != direction.attribute]
    leaks = np.abs(np.delete(changes, target, axis=1))
    # What the judge cannot tell from the target moves with it, whatever the edit does.
    confused = editing.confused(target)
    apart = [k for k, name in enumerate(names) if name not in confused]
    return {
        "strength": strength,
        "gain": interval(changes[:, target]),
        "flip_rate": interval(editing.flipped(rows, target, changes)),
        "leakage_mean": interval(leaks[:, apart].mean(axis=1)) if apart else None,
        "leakage_max": float(leaks[:, apart].mean(axis=0).max()) if apart else None,
        "leakage": dict(zip(names, leaks.mean(axis=0).tolist(), strict=True)),
    }


def _at_one_spread(
    editing: EditEvaluation, direction: Direction, rows: np.ndarray, gains: list[float]
) -> dict[str, Any] | None:
    """What the strength does at which the target has changed by one spread; None where none that was tried does."""
    bracket = _bracket(gains)
    if bracket is None:
        return None
    (low, gain_low), (high, gain_high) = bracket
    found = {}
    for _ in range(TRIES):
        strength = low + (1 - gain_low) / (gain_high - gain_low) * (high - low)
        found = _measured(editing, direction, rows, strength)
        if math.isclose(gain := found["gain"]["value"], 1, abs_tol=CLOSE):
            break
        if gain < 1:
            low, gain_low = strength, gain
        else:
            high, gain_high = strength, gain
    return found


def _bracket(gains: list[float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The two strengths next to each other, with their gains, between which the gain passes one."""
    tried = [(0.0, 0.0), *zip(STRENGTHS, gains, strict=True)]
    return next(((a, b) for a, b in pairwise(tried) if b[1] >= 1), None)


def _without(step: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name != key}
