"""The documented command on folders of images as people have them.

    python benchmarks/own_folders.py --out runs/own-folders --write faces=FOLDER icons=FOLDER

Emoji (npm's emoji-datasource-twitter 16.0.0) and 3,000 garments of Fashion-MNIST as PNG files are made ready where they
can be had; any other folder is given as NAME=FOLDER. Each is trained with `images-vae --size 64` and nothing else, and
measured on its test images. Typed again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from results import when_and_where, write_section
from sklearn.decomposition import PCA

from armoire import evaluate, load_images, train
from armoire.errors import ArmoireError

EMOJI, GARMENTS = "emoji-datasource-twitter@16.0.0", 3000
COLUMNS = ("folder", "seed", "images", "d", "steps", "minutes", "MSE", "MSE of as many principal components")
FDS = ("floor", "reconstructions", "samples")


def emoji(folder: Path) -> bool:
    """Unpack npm's package of emoji of 64 x 64 pixels."""
    if not shutil.which("npm"):
        return False
    packed = subprocess.run(["npm", "pack", EMOJI], cwd=folder.parent, capture_output=True, text=True, check=False)
    if packed.returncode:
        return False
    with tarfile.open(folder.parent / packed.stdout.split()[-1]) as archive:
        folder.mkdir()
        for member in archive:
            if member.name.startswith("package/img/twitter/64/") and (content := archive.extractfile(member)):
                (folder / Path(member.name).name).write_bytes(content.read())
    return True


def garments(folder: Path) -> bool:
    """Write training images of Fashion-MNIST as PNG files, a folder for each class."""
    try:
        images = load_images("fashion-mnist").split("train").draw(GARMENTS, 0)
    except ArmoireError:
        return False
    for number, (pixels, label) in enumerate(zip(images.images, images.labels, strict=True)):
        of_class = folder / str(label)
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(of_class / f"{number:05d}.png")
    return True


def measure(name: str, folder: Path, seed: int, out: Path) -> list[str]:
    """Train on a folder, or go on with it, and measure: a row of the table."""
    images = load_images(folder, size=64)
    wardrobe = train("images-vae", images, out / f"{name}-{seed}", seed=seed, resume=True)
    part = images.split(wardrobe.held_out)
    found = evaluate(wardrobe, samples=len(part)).to_dict()
    rows = wardrobe.run.history
    minutes = sum(row["seconds"] for row in rows) / 60
    errors = (
        f"{found['reconstruction']['mse']:.4f}",
        f"{components_error(images, part, wardrobe.recipe.dimensions):.4f}",
    )
    of_all = [found["samples"], *found["samples"].get("by_other_features", {}).values()]
    fds = [
        " / ".join(f"{(numbers if key == 'samples' else numbers[key])['fd']:.1f}" for numbers in of_all) for key in FDS
    ]
    copies = f"{found['samples']['nearest_training']['nearer_than_held_out']:.2f}"
    cells = [name, seed, f"{len(images):,}", wardrobe.recipe.latent, f"{int(rows[-1]['step']):,}", f"{minutes:.1f}"]
    return [str(cell) for cell in (*cells, *errors, *fds, f"{found['samples']['recall']:.2f}", copies)]


def components_error(images, part, d: int) -> float:
    """The squared error of as many principal components, computed from the training images."""
    seen, unseen = (some.images.reshape(len(some), -1) / np.float32(255) for some in (images.split("train"), part))
    components = PCA(min(d, *seen.shape), random_state=0).fit(seen)
    return float(np.square(components.inverse_transform(components.transform(unseen)) - unseen).mean())


def main() -> None:
    """Measure, print as it comes, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", help="NAME=FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/own-folders"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    folders = {name: Path(folder) for name, _, folder in (entry.partition("=") for entry in given.folders)}
    for name, make in (("emoji", emoji), ("garments", garments)):
        folder = given.out / "data" / name
        folder.parent.mkdir(exist_ok=True)
        if not folder.exists():  # whole or not at all: a run that was cut off leaves no half of a folder
            shutil.rmtree(part := folder.with_name(f"{name}.part"), ignore_errors=True)
            if make(part):
                part.rename(folder)
        if folder.exists():
            folders = {name: folder} | folders
        else:
            print(f"{name}: cannot be had here, left out")
    columns = [*COLUMNS, *(f"FD: {key}" for key in FDS), "recall", "copies"]
    lines = [f"{when_and_where()}. FD by EfficientNet-Lite0 / DINOv2.", "", f"| {' | '.join(columns)} |"]
    lines.append("| --- |" + " ---: |" * (len(columns) - 1))
    print("\n".join(lines), flush=True)
    for name, folder in folders.items():
        for seed in range(given.seeds):
            lines.append(f"| {' | '.join(measure(name, folder, seed, given.out))} |")
            print(lines[-1], flush=True)
    if given.write:
        write_section("Your own folders", lines)


if __name__ == "__main__":
    main()
