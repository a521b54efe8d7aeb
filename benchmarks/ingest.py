"""How quickly pictures are read in: `python benchmarks/ingest.py --rounds 3`.

Drawn faces, enlarged and given the grain of a sensor, are written as JPEGs of quality 90 into a temporary folder:
5,000 of 178 x 218 as CelebA's are, and 1,000 of 1500 x 1000. All are read to 64 x 64 (the centre cut out, bilinear with
antialiasing), in turns:

    armoire  load_images of the folder: listing, decoding, splitting, the packed store on disk with its fingerprint
    loop     one thread: PIL opens, converts to RGB, fits by the same filter; into an array in memory
    draft    the same loop with JPEGs decoded at a reduced size, as armoire does
    pool     torch's DataLoader with a process a core, batches of 64, the same work as the loop; into an array in memory

Images a second, wall clock, medians with the lowest and highest; files are in the page cache. What armoire does beyond
the others (a store that is safe from a kill, and is there the next time) counts against it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from results import machine
from torch.utils.data import DataLoader, Dataset

from armoire import load_images
from armoire.images.sources.drawn_faces import load_drawn
from armoire.progress import SILENT

SIZE = 64
SETS = {"178 x 218": (178, 218, 5000), "1500 x 1000": (1500, 1000, 1000)}


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="How quickly pictures are read in.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is taken (default 3)")
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures, for a quick look")
    arguments = parser.parse_args()
    print(f"{machine()}, Python {platform.python_version()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ARMOIRE_CACHE"] = str(Path(folder) / "cache")
        for name, (width, height, number) in SETS.items():
            number = int(number * arguments.share)
            pictures = Path(folder) / name
            write_pictures(pictures, width, height, number)
            compare(pictures, name, number, arguments.rounds)


def compare(pictures: Path, name: str, number: int, rounds: int) -> None:
    """Take every way in turn, `rounds` times, and print a line for each."""
    paths = sorted(pictures.iterdir())
    ways: dict[str, Callable[[], np.ndarray]] = {
        "armoire": lambda: ingest(pictures),
        "loop": lambda: np.stack([fitted(path) for path in paths]),
        "draft": lambda: np.stack([fitted(path, draft=True) for path in paths]),
        "pool": lambda: pooled(paths),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, read in ways.items():
            began = time.perf_counter()
            read()
            rates[way].append(number / (time.perf_counter() - began))
    middle = {way: statistics.median(values) for way, values in rates.items()}
    print(f"\n{number:,} JPEGs of {name}, images a second, median (lowest to highest) of {rounds}")
    for way, values in rates.items():
        ratio = middle["armoire"] / middle[way]
        print(f"  {way:8} {middle[way]:8,.0f} ({min(values):,.0f} to {max(values):,.0f})  armoire is {ratio:.2f} x it")


def write_pictures(folder: Path, width: int, height: int, number: int) -> None:
    """Drawn faces, each cut to the shape, enlarged, and given grain."""
    random = np.random.default_rng(0)
    faces = load_drawn(64, 128, SILENT).images
    grain = random.normal(0, 6, (height + 64, width + 64, 1)).astype(np.float32)
    folder.mkdir()
    for i in range(number):
        face = Image.fromarray(faces[i % len(faces)]).resize((width, height), Image.Resampling.BICUBIC)
        y, x = random.integers(0, 64, 2)
        pixels = np.asarray(face, np.float32) + grain[y : y + height, x : x + width]
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{i:05d}.jpg", quality=90)


def ingest(pictures: Path) -> np.ndarray:
    """By armoire, into a cache that is empty."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ARMOIRE_CACHE"] = cache
        return load_images(pictures, SIZE).images


def fitted(path: Path, draft: bool = False) -> np.ndarray:
    """One picture, as anyone would read it."""
    with Image.open(path) as image:
        if draft:
            image.draft("RGB", (2 * SIZE, 2 * SIZE))
        return np.array(ImageOps.fit(image.convert("RGB"), (SIZE, SIZE), Image.Resampling.BILINEAR))


class Pictures(Dataset[np.ndarray]):
    """What a DataLoader's processes read."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> np.ndarray:
        return fitted(self.paths[i])


def pooled(paths: list[Path]) -> np.ndarray:
    """By torch's pool of processes."""
    batches: Iterator[torch.Tensor] = iter(DataLoader(Pictures(paths), batch_size=64, num_workers=os.cpu_count() or 1))
    return np.concatenate([batch.numpy() for batch in batches])


if __name__ == "__main__":
    main()
