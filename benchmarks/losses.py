"""The choice of the loss: the published autoencoder with different losses, all else equal.

    python benchmarks/losses.py --out runs/losses --epochs 5 --n 10000 --write

Sharpness is the variance of the Laplacian of reconstructions, of the originals' (the figure `loss-choice` shows it for
two); the Frechet distance is that of samples drawn from a fitted mixture of Gaussians, since a plain autoencoder has
no other prior. Finished runs are not trained again. Writes OUT/losses.png: originals, and each
loss's reconstructions.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from results import when_and_where, write_section

from armoire.figures.loss_choice import sharpness
from armoire.images.grid import enlargement, image_grid, save_png
from armoire.measure import evaluate
from armoire.measure.report_tables import by_features
from armoire.wardrobe import train

SHOWN, PICTURE = 16, "losses.png"
LOSSES = {
    "binary cross-entropy": ("fashion-ae", {}),
    "root mean squared error (calibrated Gaussian, a point)": ("fashion-ae-rmse", {}),
    "absolute error (calibrated Laplace)": ("fashion-ae-l1", {}),
    "calibrated Gaussian, a variational autoencoder": ("fashion-vae", {"likelihood": "calibrated", "beta": 1.0}),
    "binary cross-entropy, a variational autoencoder": ("fashion-vae", {}),
}


def main() -> None:
    """Train, measure, print as it comes, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/losses"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    lines = [
        f"{when_and_where()}, seed 0, {given.epochs} epochs, test images; {given.n:,} samples, drawn from mixtures.",
        "",
        "| loss | BCE | MSE | SSIM | sharpness | FD of samples | FD of reconstructions | floor | FD by |",
        "| --- |" + " ---: |" * 7 + " --- |",
    ]
    print("\n".join(lines), flush=True)
    rows: list[np.ndarray] = []
    for number, (loss, (name, settings)) in enumerate(LOSSES.items()):
        run = train(name, out=given.out / str(number), resume=True, epochs=given.epochs, **settings)
        if not run.has_prior("gmm"):
            run.fit_prior("gmm")
        found = evaluate(run, samples=given.n, prior="gmm")
        originals = np.asarray(run.images.split("test").images)
        again = run.decode(run.latents.split("test").mean)
        share = sharpness(again) / sharpness(originals)
        errors, by = found.reconstruction, by_features(found.samples)
        columns = [by.values(), *([numbers[key] for numbers in by.values()] for key in ("reconstructions", "floor"))]
        lines.append(
            f"| {loss} | {errors['bce']:.4f} | {errors['mse']:.4f} | {errors['ssim']:.3f} | {share:.1%} | "
            + " | ".join(", ".join(f"{found['fd']:.1f}" for found in column) for column in columns)
            + f" | {', '.join(by)} |"
        )
        print(lines[-1], flush=True)
        rows += [again[:SHOWN]] if rows else [originals[:SHOWN], again[:SHOWN]]
    pictures = np.concatenate(rows)
    save_png(given.out / PICTURE, image_grid(pictures, SHOWN), enlargement(pictures))
    if given.write:
        shutil.copy(given.out / PICTURE, Path(__file__).parents[1] / "docs/images" / PICTURE)
        lines += ["", f"![Originals, and each loss's reconstructions of them](images/{PICTURE})"]
        write_section("The choice of the loss", lines)


if __name__ == "__main__":
    main()
