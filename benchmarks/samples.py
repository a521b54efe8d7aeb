"""The quality of samples of runs, with and without a fitted prior, compared with a baseline.

    python benchmarks/samples.py --baseline runs/fashion-vae --n 10000 runs/fashion-ae runs/fashion-best --write

For each run and each prior that it has: everything that `armoire evaluate --samples N` measures, and the skill

    S = (FD of the baseline with N(0, I) - FD) / (FD of the baseline with N(0, I) - floor)

which is 0 for the baseline and 1 for real images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from results import when_and_where, write_section

from armoire.io.files import sha256
from armoire.measure.features import make_extractor, named_features
from armoire.measure.samples import measure_samples
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.extractors import PACKAGES

OTHERS = ("fd", "precision", "recall")  # by the second extractor
COLUMNS = ("fd", "kd", "kd_standard_error", "precision", "recall", "density", "coverage")


def remembering(features: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Compute the features of the same images, such as reconstructions under each prior, once."""
    known: dict[str, np.ndarray] = {}

    def remembered(images: np.ndarray, *more: object) -> np.ndarray:
        key = sha256(images.tobytes())
        if key not in known:
            known[key] = features(images, *more)
        return known[key]

    return remembered


def main() -> None:
    """Measure, print as it comes, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--baseline", type=Path, required=True, help="a VAE's run, drawn from N(0, I)")
    parser.add_argument("--priors", default="gmm,flow", help="fitted ones to draw from, with commas between")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--features", type=named_features, default=list(PACKAGES), help="whose, with commas between")
    parser.add_argument("--title", default="Samples")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    header = f"{when_and_where()}, seed 0."
    columns = [*COLUMNS, "nearer than reconstructions"]
    columns += [f"{column}, {name}" for name in given.features[1:] for column in OTHERS]
    lines = [header, "", f"| run | drawn from | S | {' | '.join(columns)} |"]
    lines.append("| --- | --- |" + " ---: |" * (len(columns) + 1))
    print("\n".join(lines), flush=True)
    baseline: dict[str, float] = {}
    for path in (given.baseline, *given.runs):
        wardrobe = Wardrobe.open(path)
        images, part = wardrobe.images, wardrobe.images.split(wardrobe.held_out)
        extractors = [make_extractor(name, images, torch.device("cpu")) for name in given.features]
        for extractor in extractors:
            extractor.extract = remembering(extractor.extract)
        z = wardrobe.latents.split(wardrobe.held_out).mean
        kinds = [wardrobe.prior(wardrobe.recipe.posterior_class.default_prior)]
        if path != given.baseline:
            kinds += [wardrobe.prior(kind) for kind in given.priors.split(",") if wardrobe.has_prior(kind)]
        for number, prior in enumerate(kinds):
            found = measure_samples(wardrobe, extractors, images, part, z, given.n, prior)
            baseline = baseline or {"fd": found["fd"], "floor": found["floor"]["fd"]}
            copied = f"{found['nearest_training']['nearer_than_reconstructions']:.3f}"
            others = found["by_other_features"].values()
            rows = [(prior.name, [found, *others], copied)]
            for name, key in (("its reconstructions", "reconstructions"), ("real training images", "floor")):
                if number == 0 and (key != "floor" or not lines[4:]):
                    rows.append((name, [numbers[key] for numbers in (found, *others)], ""))
            for name, (numbers, *more), near in rows:
                skill = (baseline["fd"] - numbers["fd"]) / (baseline["fd"] - baseline["floor"])
                values = [f"{numbers[column]:.4g}" for column in COLUMNS] + [near]
                values += [f"{other[column]:.4g}" for other in more for column in OTHERS]
                lines.append(f"| {path.name} | {name} | {skill:.3f} | {' | '.join(values)} |")
                print(lines[-1], flush=True)
    lines[0] += f" {found['n']:,} images on each side, features of {' and '.join(given.features)}."
    if given.write:
        write_section(given.title, lines)


if __name__ == "__main__":
    main()
