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
from armoire.measure.features import EXTRACTORS, make_extractor
from armoire.measure.samples import measure_samples
from armoire.wardrobe import Wardrobe

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
    parser.add_argument("--features", choices=EXTRACTORS, default=EXTRACTORS[0])
    parser.add_argument("--title", default="Samples")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    header = f"{when_and_where()}, seed 0."
    lines = [header, "", f"| run | drawn from | S | {' | '.join(COLUMNS)} | nearer than reconstructions |"]
    lines.append("| --- | --- |" + " ---: |" * (len(COLUMNS) + 2))
    print("\n".join(lines), flush=True)
    baseline: dict[str, float] = {}
    for path in (given.baseline, *given.runs):
        wardrobe = Wardrobe.open(path)
        images, part = wardrobe.images, wardrobe.images.split(wardrobe.held_out)
        extractor = make_extractor(given.features, images, torch.device("cpu"))
        extractor.of = remembering(extractor.of)
        z = wardrobe.latents.split(wardrobe.held_out).mean
        kinds = [wardrobe.prior(wardrobe.recipe.posterior_class.default_prior)]
        if path != given.baseline:
            kinds += [wardrobe.prior(kind) for kind in given.priors.split(",") if wardrobe.has_prior(kind)]
        for number, prior in enumerate(kinds):
            found = measure_samples(wardrobe, extractor, images, part, z, given.n, prior)
            baseline = baseline or {"fd": found["fd"], "floor": found["floor"]["fd"]}
            copied = f"{found['nearest_training']['nearer_than_reconstructions']:.3f}"
            rows = [(prior.name, found, copied)]
            rows += [("its reconstructions", found["reconstructions"], "")] if number == 0 else []
            rows += [("real training images", found["floor"], "")] if not lines[4:] else []
            for name, numbers, near in rows:
                skill = (baseline["fd"] - numbers["fd"]) / (baseline["fd"] - baseline["floor"])
                values = " | ".join(f"{numbers[column]:.4g}" for column in COLUMNS)
                lines.append(f"| {path.name} | {name} | {skill:.3f} | {values} | {near} |")
                print(lines[-1], flush=True)
    lines[0] += f" {found['n']:,} images on each side, features of {found['features']}."
    if given.write:
        write_section(given.title, lines)


if __name__ == "__main__":
    main()
