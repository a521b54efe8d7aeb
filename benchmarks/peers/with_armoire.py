"""armoire, by the very training that its users run: it waits between laps in the call that reports progress."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from queue import SimpleQueue

import numpy as np
import torch
from laps import SEED, Job, Lap, data, serve, timed

from armoire.images import Fit, ImageSet, SetInfo
from armoire.images.imageset import make_table
from armoire.model import Autoencoder
from armoire.training import Recipe, fit_epochs
from armoire.wardrobe.latents import encode_set

RECIPES = {
    "fashion-ae": {"posterior": "point", "published_error": "bce"},
    "fashion-vae": {"beta": 1.0},
    "celeba-vae": {"likelihood": "gaussian", "sigma": 3.072**0.5, "norm": "batch", "activation": "leaky_relu"},
}
HELD_OUT = 100
MANY = 10_000  # epochs: laps end when nobody asks for another


class Waiting:
    """A Progress that holds the training at the end of each epoch until a lap is asked for.

    The clock runs from the first step to the last; what an epoch ends with, measuring and saving, is left out, as it
    is of the peers.
    """

    def __init__(self) -> None:
        self.go: SimpleQueue[None] = SimpleQueue()
        self.done: SimpleQueue[tuple[float, float]] = SimpleQueue()
        self.began = self.ended = self.objective = 0.0

    def lap(self) -> tuple[float, float]:
        """Let one epoch pass."""
        self.go.put(None)
        return self.done.get()

    @contextmanager
    def task(self, *_: object, **__: object) -> Iterator[Waiting]:
        """The training begins."""
        self._wait()
        yield self

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        """A step is done."""
        if figures:
            self.ended = time.perf_counter()
            self.objective = float(figures["distortion"]) + float(figures["rate"])

    def note(self, text: str) -> None:
        """An epoch is over."""
        self.done.put((self.ended - self.began, self.objective))
        self._wait()

    def _wait(self) -> None:
        self.go.get()
        self.began = time.perf_counter()


def recipe(job: Job) -> Recipe:
    """The job as a recipe; a constant learning rate, as the peers have."""
    return Recipe(
        **{"name": job.name, "data": "laps", "size": job.size, "latent": job.latent, "channels": job.channels}
        | {"batch": job.batch, "lr": job.lr, "schedule": "constant", "epochs": MANY, "seed": SEED}
        | RECIPES[job.name]
    )


def image_set(pixels: np.ndarray) -> ImageSet:
    """All images to train on, and the first few again as held out, for there must be some."""
    n = len(pixels)
    table = make_table(
        [str(i) for i in range(n + HELD_OUT)], ["train"] * n + ["test"] * HELD_OUT, [None] * (n + HELD_OUT), {}
    )
    info = SetInfo("laps", "laps", Fit(size=pixels.shape[1], channels=pixels.shape[3]))
    return ImageSet(np.concatenate([pixels, pixels[:HELD_OUT]]), table, info)


def make(job: Job, act: str) -> Lap:
    """Laps of a training, or of encoding."""
    images = image_set(data(job))
    if act == "encode":
        model = Autoencoder(recipe(job).architecture(images))
        return lambda: timed(lambda: encode_set(model, images.split("train")))
    waiting = Waiting()
    folder = tempfile.mkdtemp()
    settings = {"device": "cpu", "progress": waiting}
    threading.Thread(target=fit_epochs, args=(recipe(job), images, folder), kwargs=settings, daemon=True).start()
    return waiting.lap


serve({"armoire": version("armoire"), "torch": torch.__version__}, make)
