"""A logistic regression on LatentTransformer's features, on PCA's and on pixels, of a few thousand garments.

    python benchmarks/latent_features.py --write

All are fitted to the first 4,000 training images of Fashion-MNIST. Dimensions and the regression's C are chosen on the
next 1,000; the 10,000 test images are used once, with what was chosen. The second part gives the regression only
400 of the labels, and the features all 4,000 images.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from results import when_and_where, write_section
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import armoire

SEED, IMAGES, VALID, FEW = 0, 4000, 1000, 400
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)  # C


def main() -> None:
    """Measure, print, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--latent", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--components", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    train, test = (armoire.load_images("fashion-mnist").split(name) for name in ("train", "test"))
    seen = slice(0, IMAGES + VALID)
    x, labels = train.images[seen][:, 2:30, 2:30, 0], train.labels[seen]
    features = {"pixels": lambda images: images.reshape(len(images), -1) / 255}
    for d in given.components:
        pca = PCA(d, random_state=SEED).fit(x[:IMAGES].reshape(IMAGES, -1) / 255)
        features[f"PCA, {d}"] = lambda images, pca=pca: pca.transform(images.reshape(len(images), -1) / 255)
    for d in given.latent:
        began = time.monotonic()
        vae = armoire.LatentTransformer(latent=d, epochs=given.epochs, random_state=SEED).fit(x[:IMAGES])
        print(f"LatentTransformer, {d}: fitted in {time.monotonic() - began:.0f} s", flush=True)
        features[f"LatentTransformer, {d}"] = vae.transform
    lines = [
        f"{when_and_where()}, seed {SEED}; {IMAGES:,} images, `images-vae` with {given.epochs} epochs.",
        "",
        "| features | C | validation accuracy | test accuracy | C, 400 labels | validation | test |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    unseen = test.images[:, 2:30, 2:30, 0]
    for kind in ("pixels", "PCA", "LatentTransformer"):
        cells = []
        for n in (IMAGES, FEW):
            found = [
                (accuracy(of, x, labels, n, c), name, c)
                for name, of in features.items()
                if name.startswith(kind)
                for c in STRENGTHS
            ]
            (valid, model), name, c = max(found, key=lambda one: one[0][0])
            tested = model.score(features[name](unseen), test.labels)
            cells += [name.removeprefix(kind).strip(", "), f"{c:g}", f"{valid:.1%}", f"{tested:.1%}"]
        dimensions, few = cells[0] or "784", cells[4] or "784"
        lines.append(f"| {kind}, {dimensions} dimensions ({few}) | {' | '.join(cells[1:4] + cells[5:])} |")
        print(lines[-1], flush=True)
    if given.write:
        write_section("scikit-learn: features for a classifier", lines)


def accuracy(of: object, x: np.ndarray, labels: np.ndarray, n: int, c: float) -> tuple[float, object]:
    """Of a regression on the first n images, by the validation images."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))
    z = cached(of, x)
    model.fit(z[:n], labels[:n])
    return model.score(z[IMAGES:], labels[IMAGES:]), model


CACHED: dict[int, np.ndarray] = {}


def cached(of: object, x: np.ndarray) -> np.ndarray:
    """Features of all images seen, computed once."""
    if id(of) not in CACHED:
        CACHED[id(of)] = of(x)
    return CACHED[id(of)]


if __name__ == "__main__":
    main()
