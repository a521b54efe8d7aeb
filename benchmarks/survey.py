"""What `armoire survey` finds of planted duplicates and outliers, and in how long.

    python benchmarks/survey.py FACES --write

FACES is a folder of JPEG faces. 8,000 images and 500 duplicates of each kind make a folder of 10,000: recompressed
(JPEG, quality 30 to 90), resized (by 0.5 to 0.9, or 1.1 to 2), cropped (to 90 % of width and height, anywhere) and
mirrored (and saved as JPEG, quality 85). 50 images of other kinds are planted into another folder. Thresholds were
chosen on emoji and on training images of Fashion-MNIST, with other seeds; here are faces and its test images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from results import when_and_where, write_section

from armoire.images import load_images
from armoire.survey import Survey, make_survey

SEED, EACH, IMAGES, OUTLIERS = 7, 500, 10_000, 50


def plant(
    images: list[Image.Image], folder: Path, each: int, seed: int, ending: str = "jpg"
) -> dict[str, tuple[str, str]]:
    """Save images, and duplicates of some; the original and the kind of each duplicate by its name."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    names = [f"{k:05d}.{ending}" for k in range(len(images))]
    for name, image in zip(names, images, strict=True):
        image.save(folder / name, quality=92)
    planted = {}
    for kind in ("recompressed", "resized", "cropped", "mirrored"):
        for k, row in enumerate(random.permutation(len(images))[:each].tolist()):
            name = f"{kind}{k:04d}.jpg"
            copy, quality = duplicate(Image.open(folder / names[row]).convert(images[row].mode), kind, random)
            copy.save(folder / name, quality=quality)
            planted[name] = (names[row], kind)
    return planted


def duplicate(image: Image.Image, kind: str, random: np.random.Generator) -> tuple[Image.Image, int]:
    """A duplicate, and the JPEG quality to save it with."""
    if kind == "recompressed":
        return image, int(random.integers(30, 91))
    if kind == "mirrored":
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85
    if kind == "resized":
        factor = random.uniform(0.5, 0.9) if random.random() < 0.5 else random.uniform(1.1, 2)
        return image.resize([round(side * factor) for side in image.size], Image.Resampling.BICUBIC), 85
    width, height = (round(side * 0.9) for side in image.size)
    left, top = (int(random.integers(0, most + 1)) for most in (image.width - width, image.height - height))
    return image.crop((left, top, left + width, top + height)), 85


def score(found: Survey, planted: dict[str, tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """How many duplicates of each kind were found, and how many also with their kind; `others`: found, not planted."""
    originals = {found.ids[row]: found.ids[found.copies.original[row]] for row in found.copies.rows.tolist()}
    kinds = {found.ids[row]: found.copies.kind[row] for row in found.copies.rows.tolist()}
    counts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    explained = set()
    for name, (original, kind) in planted.items():
        one, other = originals.get(name, name), originals.get(original, original)
        if one == other:
            counts[kind] += 1
            explained |= {name, original}
            named[kind] += kind in (kinds.get(name), kinds.get(original))
    others = len([name for name in originals if name not in explained])
    return {kind: (counts[kind], named[kind]) for kind in ("recompressed", "resized", "cropped", "mirrored")} | {
        "others": (others, 0)
    }


def odd_images(random: np.random.Generator, size: int) -> list[Image.Image]:
    """Images of other kinds: noise, one colour, stripes, gradients, and drawn faces."""
    faces = load_images("drawn-faces:20", size=64).images
    made = []
    for k in range(OUTLIERS):
        colour = random.integers(0, 256, (2, 3))
        ramp = np.linspace(0, 1, size)[:, None, None]
        made.append(
            [
                random.integers(0, 256, (size, size, 3)),
                np.broadcast_to(colour[0], (size, size, 3)),
                np.where(np.arange(size)[:, None, None] // (2 + k % 7) % 2, colour[0], colour[1]).repeat(size, 1),
                (colour[0] * ramp + colour[1] * (1 - ramp)).repeat(size, 1),
                np.asarray(Image.fromarray(faces[k % 20]).resize((size, size))),
            ][k % 5].astype(np.uint8)
        )
    return [Image.fromarray(pixels) for pixels in made]


def opened(paths: list[Path], mode: str) -> list[Image.Image]:
    """Images by their paths."""
    return [Image.open(BytesIO(path.read_bytes())).convert(mode) for path in paths]


def faces_and_duplicates(faces: list[Path], folder: Path) -> dict[str, tuple[str, str]]:
    """8,000 faces and their duplicates."""
    return plant(opened(faces[: IMAGES - 4 * EACH], "RGB"), folder, EACH, SEED)


def garments_and_duplicates(folder: Path) -> dict[str, tuple[str, str]]:
    """8,000 test images of Fashion-MNIST and their duplicates, of 28 x 28."""
    images = load_images("fashion-mnist").split("test").images[: IMAGES - 4 * EACH, 2:30, 2:30, 0]
    return plant([Image.fromarray(image) for image in images], folder, EACH, SEED, "png")


def measured(name: str, folder: Path, planted: dict[str, tuple[str, str]], out: Path) -> list[str]:
    """Rows of the table, by kind."""
    began = time.monotonic()
    found = make_survey(folder, out)
    seconds = time.monotonic() - began
    scores = score(found, planted)
    others = scores.pop("others")[0]
    copies = len(found.copies.rows)
    kinds = [f"{n / EACH:.3f} ({named / max(n, 1):.3f})" for n, named in scores.values()]
    print(name, scores, "others", others, f"{seconds:.0f} s", flush=True)
    return [f"| {name} | {' | '.join(kinds)} | {1 - others / copies:.3f} ({others} others) | {seconds:.0f} |"]


def outliers_among(faces: list[Path], folder: Path, out: Path) -> str:
    """How many of 50 planted outliers are among the first 100."""
    random = np.random.default_rng(SEED)
    folder.mkdir(parents=True)
    for path in faces[: IMAGES - OUTLIERS]:
        (folder / path.name).write_bytes(path.read_bytes())
    for k, image in enumerate(odd_images(random, 64)):
        image.save(folder / f"odd{k:02d}.png")
    found = make_survey(folder, out)
    order = np.argsort(-found.outlier_percentile, kind="stable")
    names = [found.ids[row] for row in order]
    places = [k for k, name in enumerate(names) if name.startswith("odd")]
    print("outliers", sum(k < 100 for k in places), places[-5:], found.features, flush=True)
    return f"{sum(k < 100 for k in places)} of {OUTLIERS} ({found.features})"


def main() -> None:
    """Measure, print, and write a section of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    given = parser.parse_args()
    faces = sorted(given.faces.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as temporary:
        at = Path(temporary)
        rows = measured("faces, 64 x 64, JPEG", at / "f", faces_and_duplicates(faces, at / "f"), at / "fs")
        rows += measured("Fashion-MNIST, test, 28 x 28", at / "g", garments_and_duplicates(at / "g"), at / "gs")
        odd = outliers_among(faces, at / "o", at / "os")
        began = time.monotonic()
        fashion = make_survey("fashion-mnist", at / "all")
        across = fashion.across_splits()
        kinds = Counter(fashion.copies.kind[row] for row in across)
        pairs = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        lines = [
            f"{when_and_where()}, seed {SEED}; 8,000 images and 500 duplicates of each kind. Recall by kind, and in",
            "brackets the share of these whose kind is named rightly; precision counts every pair that was not planted",
            "as wrong, also those that the data bring along.",
            "",
            "| images | recompressed | resized | cropped | mirrored | precision | seconds |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            f"Outliers: {odd} of the planted ones are among the first 100 of 10,000 faces.",
            "",
            f"Fashion-MNIST as published, 70,000 images in {time.monotonic() - began:.0f} s: {len(across)} training",
            f"images are near-copies of test images ({pairs}), {len(fashion.copies.rows)} of any image. For example:",
            *[
                f"`{fashion.ids[row]}` of `{fashion.ids[fashion.copies.original[row]]}` ({fashion.copies.kind[row]}),"
                for row in across[:20]
            ],
        ]
    print("\n".join(lines))
    if given.write:
        write_section("Survey", lines)


if __name__ == "__main__":
    main()
