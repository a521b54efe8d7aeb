"""Outliers among drawn products: scratches, stains, missing parts and wrong colours, told from good ones.

    python benchmarks/outliers.py --n 1000 --out runs/outliers --write

Trains `images-vae --size 64` on good products alone, and measures for each defect the AUROC of armoire's score, of two
distances in pixels and of as many principal components; and the rate of false positives among other good products.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from drawn_products import DEFECTS, JUDGED, OTHERS, draw
from PIL import Image
from results import when_and_where, write_section
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from armoire import Wardrobe, load_images, train
from armoire.wardrobe.outliers import Outliers

GOOD, BAD = 600, 150  # products of each kind that are judged
SEEDS = {"train": 100, "good": 200, "bad": 300}


def trained(kinds: str, n: int, seed: int, out: Path) -> Wardrobe:
    """A run on n good products, which are written as files."""
    folder, which = out / f"{kinds}-{n}", {"judged": JUDGED, "others": OTHERS}[kinds]
    if not folder.exists():
        folder.mkdir(parents=True)
        for k, pixels in enumerate(draw(which, n, SEEDS["train"])):
            Image.fromarray(pixels).save(folder / f"{k:05d}.png")
    return train("images-vae", load_images(folder, size=64), out / f"{kinds}-{n}-run-{seed}", seed=seed, resume=True)


def baselines(fitted: np.ndarray, judged: dict[str, np.ndarray], d: int) -> dict[str, dict[str, np.ndarray]]:
    """Scores of each part by distances in pixels and by principal components of the images trained on."""
    flat = {name: images.reshape(len(images), -1) / np.float32(255) for name, images in judged.items()}
    x = fitted.reshape(len(fitted), -1) / np.float32(255)
    mean, nearest, pca = x.mean(axis=0), NearestNeighbors(n_neighbors=1).fit(x), PCA(d, random_state=0).fit(x)
    return {
        "mean image": {k: np.square(v - mean).mean(axis=1) for k, v in flat.items()},
        "nearest image": {k: nearest.kneighbors(v)[0][:, 0] for k, v in flat.items()},
        "components": {k: np.square(pca.inverse_transform(pca.transform(v)) - v).mean(axis=1) for k, v in flat.items()},
    }


def false_positives(wardrobe: Wardrobe, good: Outliers) -> str:
    """Stated and measured rate."""
    calibration = wardrobe.calibration
    assert calibration is not None
    low, high = calibration.interval
    return (
        f"{calibration.images} images to calibrate on: {calibration.false_positive_rate:.2%} stated "
        f"({low:.2%} to {high:.2%}), {good.is_outlier.mean():.2%} of {len(good):,} other good products measured"
    )


def measure(wardrobe: Wardrobe, kinds: str) -> tuple[list[list[str]], str]:
    """The rows of the table, and the sentence on false positives."""
    which = {"judged": JUDGED, "others": OTHERS}[kinds]
    judged = {"": draw(which, GOOD, SEEDS["good"])}
    judged |= {defect: draw(which, BAD, SEEDS["bad"], defect) for defect in DEFECTS}
    found = {name: wardrobe.outliers(images) for name, images in judged.items()}
    scores = {
        "armoire": {k: v.scores for k, v in found.items()},
        "squared error": {k: v.errors for k, v in found.items()},
        "density": {k: -v.density_percentile for k, v in found.items()},
    }
    fitted = np.asarray(wardrobe.images_used.split("train").images)
    scores |= baselines(fitted, judged, min(wardrobe.recipe.dimensions, len(fitted)))
    rows = [["defect", *scores, "found at the threshold"]]
    for defect in DEFECTS:
        truth = np.r_[np.zeros(GOOD), np.ones(BAD)]
        of = [roc_auc_score(truth, np.r_[one[""], one[defect]]) for one in scores.values()]
        rows.append([defect, *(f"{value:.3f}" for value in of), f"{found[defect].is_outlier.mean():.0%}"])
    return rows, false_positives(wardrobe, found[""])


def main() -> None:
    """Measure, print, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[288, 1000], help="good products to train on")
    parser.add_argument("--kinds", choices=("judged", "others"), default="judged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/outliers"))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    given = parser.parse_args()
    lines = [f"{when_and_where()}, seed {given.seed}. AUROC, {GOOD:,} good products against {BAD} of each defect."]
    for n in given.n:
        wardrobe = trained(given.kinds, n, given.seed, given.out)
        (header, *rows), sentence = measure(wardrobe, given.kinds)
        lines += ["", f"{n:,} products, {wardrobe.recipe.dimensions} latent dimensions. {sentence}.", ""]
        lines += [f"| {' | '.join(header)} |", "| --- |" + " ---: |" * (len(header) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    print("\n".join(lines), flush=True)
    if given.write:
        write_section("Outliers", lines)


if __name__ == "__main__":
    main()
