"""How long until the test losses of the published five epochs: Keras at the published settings, armoire at its own.

    python benchmarks/time_to_target.py --keras PYTHON

Keras' time is that of its five epochs, measuring left out; with `--keras-epochs 1` it runs fewer, and its time an epoch
is taken five times. armoire's is that of `armoire.train` from call to return:
reading the images, training, measuring on the test images, previews, checkpoints, saving.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from results import when_and_where, write_section

from armoire.images import load_images
from armoire.training import fit_epochs, load_recipe

HERE = Path(__file__).parent
PUBLISHED_EPOCHS = 5
# Recipe, epochs, the column of history.csv, and the published loss after five epochs as measured in Keras.
TARGETS = {
    "fashion-ae": ("test_published_reconstruction_loss", 0.2532),
    "fashion-vae": ("test_published_total_loss", 133.5),
}
# Chosen on the last 5,000 training images (docs/scaling.md), never on the test images that are measured here.
CHOSEN = {
    "fashion-ae": {"epochs": 1, "batch": 32, "lr": 8e-3},
    "fashion-vae": {"epochs": 1, "batch": 50, "lr": 8e-3},
}


def keras(python: str, folder: Path, job: str, epochs: int) -> dict[str, float]:
    """Seconds and test loss after so many epochs."""
    command = [python, str(HERE / "peers" / "keras_target.py"), str(folder), job, str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")][-1]


def ours(name: str, settings: dict[str, float], column: str) -> tuple[float, float]:
    """Seconds, and the test loss at the end."""
    recipe = load_recipe(name).model_copy(update=settings)
    images = load_images("fashion-mnist")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = fit_epochs(recipe, images, Path(folder) / "run")
        seconds = time.perf_counter() - began
        return seconds, float(run.history[-1][column])


class Printed(list[str]):
    """Lines that are shown as they come: a measurement takes minutes."""

    def append(self, line: str) -> None:
        """Add and print."""
        print(line, flush=True)
        super().append(line)


def main() -> None:
    """Run both, and write the section `Time to target` of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras", metavar="PYTHON", help="a Python with keras and tensorflow; without, armoire alone")
    parser.add_argument("--keras-epochs", type=int, default=PUBLISHED_EPOCHS)
    parser.add_argument("--job", action="append", choices=TARGETS, help="default: both")
    parser.add_argument("--epochs", type=int, help="of armoire's; default: as chosen for the job")
    parser.add_argument("--lr", type=float, help="armoire's highest learning rate; default: as chosen for the job")
    parser.add_argument("--batch", type=int, help="armoire's; default: as chosen for the job")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    asked = {k: v for k in ("epochs", "lr", "batch") if (v := getattr(given, k))}
    typed = "".join(f" --{k} {v:g}" for k, v in asked.items()) + f" --seeds {given.seeds}"
    lines = [
        f"{when_and_where()}. `python benchmarks/time_to_target.py "
        f"--keras PYTHON --keras-epochs {given.keras_epochs}{typed}`. 60,000 training and 10,000 test images; the loss "
        "is the published one, of all test images; settings were chosen on held-out training images (docs/scaling.md).",
        "",
        "| | seconds | test loss | target | share of Keras' time |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = load_images("fashion-mnist")
        for split in ("train", "test"):
            np.save(folder / f"{split}.npy", np.array(images.split(split).images))
        for job in given.job or TARGETS:
            column, target = TARGETS[job]
            theirs = None
            rows = Printed()
            if given.keras:
                ran = given.keras_epochs
                theirs = keras(given.keras, folder, job, ran)
                theirs["seconds"] *= PUBLISHED_EPOCHS / ran
                what = f"{job}, Keras, {PUBLISHED_EPOCHS} epochs" + (f" (from {ran})" if ran < PUBLISHED_EPOCHS else "")
                loss = f"{theirs['loss']:.4f}" if ran == PUBLISHED_EPOCHS else f"({theirs['loss']:.4f} after {ran})"
                rows.append(f"| {what} | {theirs['seconds']:.0f} | {loss} | {target} | 1 |")
            settings = CHOSEN[job] | asked
            how = ", ".join(f"{name} {value:g}" for name, value in settings.items())
            times = []
            for seed in range(given.seeds):
                seconds, loss = ours(job, settings | {"seed": seed}, column)
                times.append(seconds)
                share = f"1/{theirs['seconds'] / seconds:.1f}" if theirs else ""
                name = f"{job}, armoire, {how}, seed {seed}"
                rows.append(f"| {name} | {seconds:.0f} | {loss:.4f} | {target} | {share} |")
            if theirs:
                rows.append(f"| {job}, median | | | | 1/{theirs['seconds'] / statistics.median(times):.1f} |")
            lines += rows
    if given.write:
        write_section("Time to target", lines)


if __name__ == "__main__":
    main()
