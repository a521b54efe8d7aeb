"""`armoire sample --label`: how often an independent classifier sees the label in the samples, by prior.

    python benchmarks/labels.py --write runs/fashion-vae-32 runs/drawn-faces-vae

The classifier is that of `armoire evaluate`, trained on images alone. Next to the samples are held-out images and their
reconstructions with that label: samples of a model cannot be expected to be clearer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from results import when_and_where, write_section

from armoire import Wardrobe
from armoire.measure.attribute_classifier import load_attribute_classifier, predict
from armoire.training.batches import Batches

SAMPLES = 500  # of each label and prior
MOST_REAL = 1000  # held-out images of a label
FEWEST = 50  # held-out images with a label


def table(wardrobe: Wardrobe, kinds: list[str]) -> list[str]:
    """A row a label, and their mean."""
    images, device = wardrobe.images, wardrobe.model.device
    classifier = load_attribute_classifier(images, device, wardrobe.progress)
    classes, names = images.info.classes, list(classifier.attributes)
    held_out = images.split(images.held_out)

    def share(pixels: np.ndarray, label: str) -> float:
        logits = predict(classifier, Batches(np.ascontiguousarray(pixels), device))
        column = names.index(label)
        return float((logits[:, column] > 0 if images.attributes else logits.argmax(axis=1) == column).mean())

    def through(pixels: np.ndarray) -> np.ndarray:
        return wardrobe.decode(wardrobe.encode(pixels))

    rows: list[list[str | float]] = []
    for label in names:
        real = held_out.images[np.flatnonzero(held_out.has_label(label, classes) == 1)[:MOST_REAL]]
        if len(real) < FEWEST:
            continue
        draws: list[Callable[[], np.ndarray]] = [lambda real=real: real, lambda real=real: through(real)]
        draws += [
            lambda kind=kind, label=label: wardrobe.decode(wardrobe.sample(SAMPLES, prior=kind, label=label))
            for kind in kinds
        ]
        rows.append([label, *(share(draw(), label) for draw in draws)])
        print(rows[-1], flush=True)
    rows.append(["mean", *np.mean([row[1:] for row in rows], axis=0).tolist()])
    header = ["label", "held-out images", "their reconstructions", *kinds]
    lines = [f"| {' | '.join(header)} |", "| --- |" + " ---: |" * (len(header) - 1)]
    return lines + ["| " + " | ".join([str(row[0]), *(f"{value:.3f}" for value in row[1:])]) + " |" for row in rows]


def main() -> None:
    """Measure, print, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--priors", default="normal,box,gmm,flow,neighbours", help="with commas between")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    given = parser.parse_args()
    lines = [f"{when_and_where()}, seed 0, {SAMPLES} samples of each label: share in which the classifier sees it."]
    for path in given.runs:
        wardrobe = Wardrobe.open(path)
        about = f"{wardrobe.recipe.name} on {wardrobe.run.data.name}, {wardrobe.recipe.dimensions} latent dimensions"
        lines += ["", f"{about}:", "", *table(wardrobe, given.priors.split(","))]
    print("\n".join(lines), flush=True)
    if given.write:
        write_section("Samples of a label", lines)


if __name__ == "__main__":
    main()
