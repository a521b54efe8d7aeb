"""Reading images: `python benchmarks/ingest.py --rounds 5`, which writes its section of docs/results.md.

5,000 drawn faces with the noise of a sensor, JPEGs of 178 x 218 and quality 90 in a folder, are read to 64 x 64 (the
centre cut out, bilinear with antialiasing), in turns:

    armoire     `load_images`: lists, decodes, splits, and writes the store with its fingerprint to disk
    loop        Pillow in one thread, into an array in memory
    DataLoader  torch's, one process per core, batches of 64: the same work as the loop

Files are in the page cache; worker processes start anew in each round. The store, which survives a kill and is there
the next time, counts against armoire.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from results import when_and_where, write_section
from torch.utils.data import DataLoader, Dataset

from armoire import load_images
from armoire.io import workers

SIZE, WIDTH, HEIGHT = 64, 178, 218


def main() -> None:
    """Measure, print and write the section."""
    parser = argparse.ArgumentParser(description="Images read per second.")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default 5)")
    parser.add_argument("--images", type=int, default=5000, help="number of images (default 5000)")
    arguments = parser.parse_args()
    workers.IDLE_SECONDS = 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ARMOIRE_CACHE"] = str(Path(folder) / "cache")
        images = Path(folder) / "images"
        write_images(images, arguments.images)
        lines = compare(images, arguments.rounds)
    print("\n".join(lines))
    write_section("Reading images", lines)


def compare(folder: Path, rounds: int) -> list[str]:
    """The lines of the table; ratios are medians over rounds, since the load of the machine changes."""
    paths = sorted(folder.iterdir())
    ways: dict[str, Callable[[], np.ndarray]] = {
        "armoire: a folder to a store on disk": lambda: by_armoire(folder),
        "a loop in one process, into an array": lambda: np.stack([fitted(path) for path in paths]),
        "torch's DataLoader, one process per core, into an array": lambda: by_loader(paths),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    work: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, read in ways.items():
            began, before = time.perf_counter(), cpu_seconds()
            read()
            work[way].append(cpu_seconds() - before)
            seconds[way].append(time.perf_counter() - began)
    own = next(iter(seconds.values()))
    lines = [
        f"`python benchmarks/ingest.py --rounds {rounds}`, {when_and_where()}; images/s and ratios are medians over "
        "alternating rounds.",
        "",
        f"| {len(paths):,} JPEGs of {WIDTH} x {HEIGHT}, to {SIZE} x {SIZE} "
        "| images/s | range | armoire's ratio | CPU, s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, taken in seconds.items():
        rates = [len(paths) / one for one in taken]
        ratios = [one / mine for one, mine in zip(taken, own, strict=True)]
        lines.append(
            f"| {way} | {statistics.median(rates):,.0f} | {_range(rates, ',.0f')} | "
            f"{statistics.median(ratios):.2f} ({_range(ratios, '.2f')}) | {statistics.median(work[way]):.2f} |"
        )
    return lines


def _range(values: Sequence[float], form: str) -> str:
    return f"{min(values):{form}} to {max(values):{form}}"


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def write_images(folder: Path, number: int) -> None:
    """Write drawn faces, enlarged and with noise, as JPEGs."""
    random = np.random.default_rng(0)
    faces = load_images("drawn-faces:64", 128).images
    noise = random.normal(0, 6, (HEIGHT + 64, WIDTH + 64, 1)).astype(np.float32)
    folder.mkdir()
    for i in range(number):
        face = Image.fromarray(faces[i % len(faces)]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        y, x = random.integers(0, 64, 2)
        pixels = np.asarray(face, np.float32) + noise[y : y + HEIGHT, x : x + WIDTH]
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{i:05d}.jpg", quality=90)


def by_armoire(folder: Path) -> np.ndarray:
    """All images, by armoire with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ARMOIRE_CACHE"] = cache
        return load_images(folder, SIZE).images


def fitted(path: Path) -> np.ndarray:
    """One image, decoded and fitted by Pillow."""
    with Image.open(path) as image:
        return np.array(ImageOps.fit(image.convert("RGB"), (SIZE, SIZE), Image.Resampling.BILINEAR))


class Files(Dataset[np.ndarray]):
    """The images that the DataLoader's processes read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> np.ndarray:
        return fitted(self.paths[i])


def by_loader(paths: Sequence[Path]) -> np.ndarray:
    """All images, by torch's DataLoader."""
    batches: Iterator[torch.Tensor] = iter(DataLoader(Files(paths), batch_size=64, num_workers=workers.cores()))
    return np.concatenate([batch.numpy() for batch in batches])


if __name__ == "__main__":
    main()
