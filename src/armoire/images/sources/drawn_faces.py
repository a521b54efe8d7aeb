"""Drawn faces: a synthetic data set whose generative factors are known for every image.

Face i of a seed does not depend on the number of faces. Smile, glasses, hair, skin, pose and background are sampled
independently, with two exceptions: long hair and beards seldom occur together, and a wide smile opens the mouth.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from armoire.errors import ArmoireError
from armoire.images.columns import Columns
from armoire.images.fit import Decode, Fit
from armoire.images.source import Request, Source, SourceKind
from armoire.images.sources.portrait import CENTRE, CHORD, MOUTH, UNITS, Face, paint
from armoire.io.files import atomic_folder, atomic_path

NAME = "drawn-faces"
USUAL, LARGEST = 5_000, 50_000
VERSION = "1"  # of the drawing; part of the cache key
KINDS = ("black", "brown", "blond", "red", "gray")
FREQUENCIES = (0.30, 0.30, 0.22, 0.10, 0.08)
# Attributes by their names in CelebA (and Long_Hair, which it lacks), in alphabetical order.
ATTRIBUTES: dict[str, Callable[[Face], bool]] = {
    "Bangs": lambda face: face.bangs,
    "Black_Hair": lambda face: face.hair == "black",
    "Blond_Hair": lambda face: face.hair == "blond",
    "Brown_Hair": lambda face: face.hair == "brown",
    "Eyeglasses": lambda face: face.glasses,
    "Gray_Hair": lambda face: face.hair == "gray",
    "Long_Hair": lambda face: face.hair_length > 0.5,
    "Mouth_Slightly_Open": lambda face: face.mouth_open > 0.8,
    "No_Beard": lambda face: not face.beard,
    "Smiling": lambda face: face.smile > 0.2,
}


def drawn_face(index: int, seed: int = 0) -> Face:
    """Face number `index` of a seed."""
    random = np.random.default_rng([seed, index])

    def between(low: float, high: float) -> float:
        return float(low + (high - low) * random.random())

    def about(centre: float, width: float) -> float:  # bell-shaped and bounded
        return centre + width * (between(-1, 1) + between(-1, 1) + between(-1, 1)) / 2

    def happens(probability: float) -> bool:
        return bool(random.random() < probability)

    smile, long = between(-0.35, 0.65), happens(0.5)
    return Face(
        smile=smile,
        mouth_open=between(0.9, 3.2) if happens(0.15 + 0.6 * max(0.0, smile)) else 0.0,
        mouth_width=about(7.0, 0.6),
        glasses=happens(0.3),
        round_glasses=happens(0.5),
        hair=KINDS[int(np.searchsorted(np.cumsum(FREQUENCIES)[:-1], random.random(), side="right"))],
        hair_shade=between(-1, 1),
        hair_length=between(0.6, 1.0) if long else between(0.0, 0.4),
        bangs=happens(0.35),
        beard=happens(0.06 if long else 0.4),
        skin=between(0, 1),
        yaw=about(0, 0.3),
        tilt=about(0, 0.11),
        background=between(0, 1),
        background_light=between(0, 1),
        clothes=between(0, 1),
        iris=between(0, 1),
        eye_open=about(2.7, 0.45),
        brow=about(0.6, 0.6),
        width=about(15.2, 0.9),
        height=about(18.6, 0.8),
        x=about(0, 1.2),
        y=about(0, 1.0),
    )


def drawn_factors(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The generative factors of the first n faces of a seed, by the names and in the units of `Face`."""
    faces = [asdict(drawn_face(i, seed)) for i in range(n)]
    return {name: np.array([face[name] for face in faces]) for name in (faces[0] if faces else ())}


class DrawnSource(Source):
    """Faces `start` to `stop` of seed 0; every tenth is held out as test. The id of face i is i."""

    def __init__(self, start: int, stop: int) -> None:
        self.name, self.origin, self.digest = NAME, f"{NAME}:{stop}", VERSION
        self.channels = 3
        self.start, self.stop = start, stop

    def list_ids(self) -> Sequence[str]:
        return [f"{i:06d}" for i in range(self.start, self.stop)]

    def describe(self) -> Columns:
        faces = [drawn_face(i) for i in range(self.start, self.stop)]
        attributes = {
            name: np.array([1 if holds(face) else -1 for face in faces], np.int8) for name, holds in ATTRIBUTES.items()
        }
        splits = ["test" if i % 10 == 9 else "train" for i in range(self.start, self.stop)]
        return Columns(splits, [None] * len(faces), attributes)

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        return (partial(_draw, i) for i in range(self.start + start, self.start + stop))

    def part(self, start: int, stop: int) -> DrawnSource:
        return DrawnSource(self.start + start, self.start + stop)

    def fit(self, wanted: Fit) -> Fit:
        return Fit(wanted.size, "stretch")


def _draw(index: int, fit: Fit) -> np.ndarray:
    return fit(paint(drawn_face(index), fit.size))


def parse_number(text: str) -> int:
    """N of `drawn-faces:N`, 5,000 by default; ArmoireError where it is no number of faces."""
    if text and not (text.isascii() and text.isdigit()):
        raise ArmoireError(f"{NAME}:N takes a number of faces, not '{text}'")
    return int(text[:9]) if text else USUAL


def _open(request: Request) -> DrawnSource:
    n = parse_number(request.argument)
    if not 10 <= n <= LARGEST:
        raise ArmoireError(f"{NAME}:N draws 10 to {LARGEST:,} faces, not {n:,}")
    return DrawnSource(0, n)


DRAWN_FACES = SourceKind(NAME, _open, named=True)


def write_kaggle(path: Path, n: int, seed: int = 0, size: tuple[int, int] = (178, 218)) -> Path:
    """Write the first n faces of a seed in the layout of CelebA on Kaggle, for `celeba:PATH`.

    Of ten faces eight are in the official partition 0 (train), one in 1 (valid), one in 2 (test).

    Args:
        path: a new folder, or the name of a .zip.
        n: number of faces.
        seed: of the faces.
        size: width and height in pixels; the square image is stretched to it.
    """
    if path.suffix.lower() == ".zip":
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, content in _kaggle(n, seed, size):
                archive.writestr(name, content)
        return path
    if path.exists():
        raise ArmoireError(f"{path} already exists; give a new folder")
    with atomic_folder(path) as folder:
        for name, content in _kaggle(n, seed, size):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return path


def _kaggle(n: int, seed: int, size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    faces = [drawn_face(i, seed) for i in range(n)]
    names = [f"{i + 1:06d}.jpg" for i in range(n)]
    attributes = [[1 if holds(face) else -1 for holds in ATTRIBUTES.values()] for face in faces]
    yield "list_attr_celeba.csv", _csv(["image_id", *ATTRIBUTES], names, attributes)
    partition = [[max(0, i % 10 - 7)] for i in range(n)]
    yield "list_eval_partition.csv", _csv(["image_id", "partition"], names, partition)
    for face, name in zip(faces, names, strict=True):
        buffer = io.BytesIO()
        paint(face, max(size)).resize(size).save(buffer, "JPEG", quality=95)
        yield f"img_align_celeba/img_align_celeba/{name}", buffer.getvalue()


def _csv(header: list[str], names: list[str], rows: list[list[int]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *([name, *row] for name, row in zip(names, rows, strict=True))])
    return text.getvalue().encode()


def measured_smile(images: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, " n"]:
    """`Face.smile`, measured on drawn faces or a model's reconstructions of them; nan where no mouth is found.

    Only lips are purple: a parabola y = a x^2 + b x + c is fitted to the mouth's region by least squares, weighted by
    red + blue - 2 green, and the smile is -a times half the chord. On drawn faces its correlation with the true smile
    is above 0.99.
    """
    y, x = (np.mgrid[: images.shape[1], : images.shape[2]] + 0.5) * UNITS / images.shape[1]
    y, x = y - CENTRE[1], x - CENTRE[0]
    low = (y > MOUTH - 7) & ((x / 13.5) ** 2 + (y / 18) ** 2 < 1)  # the lower half of the smallest head
    y, x = y[low], x[low]
    red, green, blue = np.moveaxis(images[:, low].astype(np.float64), 2, 0)
    purple = red + blue - 2 * green
    strongest = purple.max(axis=1, keepdims=True)
    weight = np.maximum(0, purple - 0.3 * strongest)
    powers = np.stack([x**2, x, np.ones_like(x)], axis=1)
    squares = np.einsum("np,pi,pj->nij", weight, powers, powers) + 1e-6 * np.eye(3)
    bend = np.linalg.solve(squares, np.einsum("np,pi,p->ni", weight, powers, y)[..., None])[:, 0, 0]
    return np.where(strongest[:, 0] > 30, -bend * CHORD, np.nan)


def measured_hair_colour(images: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n 3"]:
    """Mean colour (0 to 255) of the hair on top of the head of drawn faces."""
    scale = images.shape[1] / UNITS
    rows, columns = slice(round(14 * scale), round(19 * scale)), slice(round(28 * scale), round(36 * scale))
    return images[:, rows, columns].reshape(len(images), -1, 3).mean(axis=1)
