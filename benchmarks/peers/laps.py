"""What every peer has in common: it waits for a line, does a lap of one job, and answers with its time.

A peer runs in a virtual environment of its own, so this file knows only the standard library and NumPy. Jobs and their
data are the same for all: `FOLDER/JOB.npy`, uint8 (n, h, w, c).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 0


@dataclass(frozen=True)
class Job:
    """A network and how it is trained: the same numbers for every peer.

    The objective of all of them is distortion + rate in nats per image: summed binary cross-entropy, or summed
    squared error / (2 sigma^2), and the KL divergence of a VAE.
    """

    name: str
    variational: bool
    size: int
    image_channels: int
    latent: int
    channels: tuple[int, ...]
    batch: int
    lr: float
    batch_norm: bool = False
    leaky: bool = False
    sigma2: float | None = None  # None: Bernoulli


JOBS = {
    job.name: job
    for job in (
        Job("fashion-ae", False, 32, 1, 2, (32, 64, 128), 100, 1e-3),
        Job("fashion-vae", True, 32, 1, 2, (32, 64, 128), 100, 5e-4),
        Job("celeba-vae", True, 64, 3, 200, (64,) * 5, 128, 5e-4, batch_norm=True, leaky=True, sigma2=3.072),
    )
}

Lap = Callable[[], tuple[float, float]]  # seconds, and the mean objective in nats, 0 where nothing is learned


def data(job: Job) -> np.ndarray:
    """The images of a job: uint8 (n, h, w, c)."""
    return np.load(Path(sys.argv[1]) / f"{job.name}.npy")


def serve(versions: dict[str, str], make: Callable[[Job, str], Lap]) -> None:
    """Answer lines `{"job", "act"}` on stdin until it ends; `act` is "train" or "encode".

    A lap takes all images of the job once. `make` builds a job once; its laps go on where the last one stopped.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is not an answer
    print(json.dumps(versions), file=answers, flush=True)
    made: dict[tuple[str, str], Lap] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = (asked["job"], asked["act"])
        if key not in made:
            made[key] = make(JOBS[asked["job"]], asked["act"])
        seconds, objective = made[key]()
        print(json.dumps({"seconds": seconds, "objective": objective}), file=answers, flush=True)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that `work` takes, and what it returns."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found if isinstance(found, float) else 0.0
