"""Training from a store larger than memory should hold: `python benchmarks/large_store.py --gigabytes 5`.

Writes a store of drawn faces (a few thousand, repeated), then trains `celeba-vae` for some steps in processes of their
own, in turns: from the mapped file, which the system's cache does not hold, and from a copy in memory. Prints images
per second and the largest resident memory of each process (VmRSS, mapped pages included).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from results import when_and_where, write_section

from armoire.images import load_images

SIDE, FACES, HELD_OUT = 64, 2000, 100
WARM_UP = 5


class EnoughError(Exception):
    """The steps asked for are done."""


class Watch:
    """A Progress that times steps and ends the training after some."""

    def __init__(self, steps: int) -> None:
        self.steps, self.times = steps, [time.perf_counter()]

    @contextmanager
    def task(self, *_: object, **__: object):
        """The training begins."""
        yield self

    def advance(self, *_: object, **__: object) -> None:
        """A step is done."""
        self.times.append(time.perf_counter())
        if len(self.times) > self.steps + WARM_UP:
            raise EnoughError

    def note(self, text: str) -> None:
        """Print nothing."""


def resident_bytes() -> int:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def child(path: str, resident: bool, steps: int) -> None:
    """Train from a file, and print what was found as JSON."""
    from armoire.images import Fit, ImageSet, SetInfo
    from armoire.images.imageset import make_table
    from armoire.training import batches, fit_epochs, load_recipe

    batches.RESIDENT = 1 << 50 if resident else 0
    images = np.load(path, mmap_mode="r")
    n = len(images)
    splits = ["train"] * (n - HELD_OUT) + ["test"] * HELD_OUT
    table = make_table([str(i) for i in range(n)], splits, [None] * n, {})
    data = ImageSet(images, table, SetInfo("large", "large", Fit(size=SIDE, channels=3)))
    most, watch = 0, Watch(steps)

    def watch_memory() -> None:
        nonlocal most
        while True:
            most = max(most, resident_bytes())
            time.sleep(0.05)

    threading.Thread(target=watch_memory, daemon=True).start()
    recipe = load_recipe("celeba-vae")
    with suppress(EnoughError):
        fit_epochs(recipe, data, Path(tempfile.mkdtemp()) / "run", device="cpu", progress=watch)
    seconds = np.diff(watch.times)[WARM_UP:]
    print(json.dumps({"rate": recipe.batch / float(np.median(seconds)), "bytes": most}))


def main() -> None:
    """Both, in turns; writes the section `A store larger than memory` of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], given.child[1] == "resident", given.steps)
        return
    faces = np.array(load_images("drawn-faces", size=SIDE).images[:FACES])
    found: dict[str, list[dict[str, float]]] = {"mapped": [], "resident": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        repeats = round(given.gigabytes * 1e9 / faces.nbytes)
        stored = np.lib.format.open_memmap(path, "w+", np.uint8, (repeats * len(faces), *faces.shape[1:]))
        for k in range(repeats):
            stored[k * len(faces) : (k + 1) * len(faces)] = faces
        stored.flush()
        del stored
        for _ in range(given.rounds):
            for kind, results in found.items():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                command = [sys.executable, __file__, "--steps", str(given.steps), "--child", str(path), kind]
                results.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        size = path.stat().st_size / 1e9
    rates = {kind: statistics.median(r["rate"] for r in results) for kind, results in found.items()}
    lines = [
        f"{when_and_where()}. `python benchmarks/large_store.py --gigabytes {given.gigabytes:g} "
        f"--steps {given.steps} --rounds {given.rounds}`: `celeba-vae`, batch 128, {size:.1f} GB of 64 x 64 images, in "
        "random order.",
        "",
        "| | images/s | largest resident memory, GB |",
        "| --- | ---: | ---: |",
    ]
    for kind, results in found.items():
        lines.append(f"| {kind} | {rates[kind]:.0f} | {max(r['bytes'] for r in results) / 1e9:.2f} |")
    shares = [a["rate"] / b["rate"] for a, b in zip(found["mapped"], found["resident"], strict=True)]
    lines += ["", f"Mapped against resident: {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})."]
    print("\n".join(lines))
    if given.write:
        write_section("A store larger than memory", lines)


if __name__ == "__main__":
    main()
