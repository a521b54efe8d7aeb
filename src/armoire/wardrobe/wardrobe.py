"""Wardrobe: an opened run, with its model, its data set and their latents."""

from __future__ import annotations

import contextlib
import math
import weakref
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from armoire.checks import as_latent, as_latents, check_count, check_temperature
from armoire.errors import ArmoireError
from armoire.html_repr import Picture, Table, counted, html_repr
from armoire.images import ImageSet
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.fit import Fit
from armoire.images.grid import PREVIEW_IMAGES, preview
from armoire.images.inputs import Images, fit_images
from armoire.lazy import from_later_layer
from armoire.model import Autoencoder
from armoire.priors import LatentDraws, Prior, fit_prior
from armoire.priors.prior import CopyShare
from armoire.progress import SILENT, USUAL, Progress
from armoire.training import Recipe, Run, load_recipe
from armoire.training.machine import keep_memory, pick_device
from armoire.training.parts import set_apart
from armoire.wardrobe.data import find_images, limit_training, load_fitted
from armoire.wardrobe.directions import (
    DIRECTIONS,
    Direction,
    check_method,
    fit_directions,
    other_direction,
    pick_direction,
)
from armoire.wardrobe.error_maps import error_maps, squared_errors
from armoire.wardrobe.index import NeighbourIndex, load_index
from armoire.wardrobe.interpolation import Interpolation, interpolate
from armoire.wardrobe.latents import LATENTS, Latents, decode_latents, encode_images, encode_set
from armoire.wardrobe.neighbours import Neighbours, nearest
from armoire.wardrobe.outliers import MOST, MOST_PIXELS, Calibration, Outliers, calibration_format
from armoire.wardrobe.own_training import copy_run, write_run
from armoire.wardrobe.priors import RunPriors, copy_share
from armoire.wardrobe.sampling import draw

if TYPE_CHECKING:
    from anywidget import AnyWidget

JUDGED = 1000  # images judged at a time


class Wardrobe:
    """An opened run.

    Images are uint8 (n, h, w, c) arrays or tensors, PIL images, paths, or lists of these, see
    `armoire.images.inputs.fit_images`; latents are finite numbers (n, d), and come out as float32.

    Attributes:
        run: the folder it came from.
        model: the trained Autoencoder, in evaluation mode.
        images_at_hand: the data set given to `open`; None if it is to be loaded from the source named in the run.
        progress: where long work is reported.
    """

    def __init__(self, run: Run, model: Autoencoder, images: ImageSet | None = None, progress: Progress = SILENT):
        """A run whose model is loaded already; `Wardrobe.open` loads it."""
        self.run = run
        self.model = model
        self.images_at_hand = images
        self.progress = progress
        self._directions: dict[str, dict[str, Direction]] = {}
        self._opened = run.stamp()

    @classmethod
    def open(
        cls,
        path: RunLike,
        images: ImageSet | None = None,
        *,
        device: str | torch.device | None = "auto",
        progress: Progress = USUAL,
    ) -> Wardrobe:
        """Open a run.

        Args:
            path: the run's folder or `hf:OWNER/NAME`, a Run, or a Wardrobe, which is returned unchanged.
            images: its data set; by default loaded from the source named in the run when needed.
            device: auto (CUDA if available, else the CPU), cpu, cuda or mps (untested), or a torch.device.
            progress: where to report.

        Raises:
            ArmoireError: the run is incomplete or damaged.
        """
        if isinstance(path, Wardrobe):
            return path
        keep_memory()
        run = path if isinstance(path, Run) else Run.open(path, progress)
        return cls(run, run.model(pick_device(device)), images, progress)

    @classmethod
    def from_model(
        cls,
        model: Autoencoder,
        images: ImageSet,
        recipe: str | Recipe,
        *,
        steps: int = 1,
        progress: Progress = USUAL,
    ) -> Wardrobe:
        """Open a model from your own training loop as a run in a temporary folder; `save` keeps it.

        Args:
            model: the trained model.
            images: what it was trained on.
            recipe: a recipe or its name; its architecture need not be the model's.
            steps: number of optimiser steps taken.
            progress: where to report.
        """
        temporary = TemporaryDirectory(prefix="armoire-", ignore_cleanup_errors=True)
        chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        model.eval()
        run = write_run(Path(temporary.name) / chosen.name, model, images, chosen, steps=steps)
        wardrobe = cls(run, model, images, progress)
        weakref.finalize(wardrobe, temporary.cleanup)
        return wardrobe

    def save(self, path: str | Path) -> Wardrobe:
        """Copy the run to a new or empty folder, and open it there."""
        run = copy_run(self.run, Path(path), self.progress)
        return Wardrobe(run, self.model, self.images_at_hand, self.progress)

    def __repr__(self) -> str:
        return f"Wardrobe({str(self.run)!r}, {self.run.data.name}, {self.recipe.dimensions} latent dimensions)"

    def _repr_html_(self) -> str:
        rows = list(self.run.facts().rows)
        rows.append(("parameters", f"{self.model.parameter_count():,}"))
        pictures = []
        with contextlib.suppress(ArmoireError):
            # Cached latents only: showing an object should not encode a data set.
            if cached := self.__dict__.get("latents") or self.run.artifacts.read("latents.parquet", LATENTS):
                self.__dict__["latents"] = cached
                rows.append(("latents", counted(cached.splits)))
                made = preview(self.decode(self.sample(PREVIEW_IMAGES)))
                pictures = [Picture(made, f"{PREVIEW_IMAGES} images decoded from samples of its prior, seed 0")]
        return html_repr(self.run.name, f"A wardrobe: {self.recipe.lead}", [Table(rows, words=True)], pictures)

    @property
    def recipe(self) -> Recipe:
        """The settings that the run was trained with."""
        return self.run.recipe

    @property
    def fit(self) -> Fit:
        """How its training images were resized."""
        return self.run.data.fit

    @cached_property
    def images(self) -> ImageSet:
        """The data set it was trained on; an error if it is not available, or has changed."""
        return find_images(self.run, self.images_at_hand, self.load)

    def load(self, source: Images, *, choice: ColumnChoice = FREE) -> ImageSet:
        """A data set of the training data's shape, fitted like them.

        `source` is what `load_images` takes; an ImageSet, returned unchanged; or images in memory or a list of paths,
        which become a set of one split, test. `choice` is which columns of its tables are read.
        """
        a = self.model.architecture
        return load_fitted(source, self.run, (a.size, a.size, a.image_channels), choice, self.progress)

    def load_other(self, source: str | Path) -> ImageSet | None:
        """Load data as `load` does; None if they are the training data, which are then used as `images`."""
        images = self.load(source)
        if images.info.fingerprint != self.run.data.fingerprint:
            return images
        self.images_at_hand = images
        self.__dict__.pop("images", None)
        return None

    @cached_property
    def latents(self) -> Latents:
        """The posteriors of the training and held-out images, cached in latents.parquet."""
        if self.run.stamp() != self._opened:
            raise ArmoireError(f"{self.run} has been trained further since it was opened; open it again")
        return self.run.artifacts.get(
            "latents.parquet",
            LATENTS,
            lambda: encode_set(self.model, self.images_used, self.progress),
            progress=self.progress,
        )

    @cached_property
    def calibration(self) -> Calibration | None:
        """What is usual for images that the run was not trained on; None, with a note, if the data are not available.

        They are its held-out and its validation images. Cached in outliers.safetensors.
        """
        read = calibration_format(self.model.architecture.latent)
        try:
            return self.run.artifacts.get("outliers.safetensors", read, self._calibrate, progress=self.progress)
        except ArmoireError as error:
            self.progress.note(f"outliers cannot be detected: {error}")
            return None

    def _calibrate(self) -> Calibration:
        images = self.images
        _, rows, apart = set_apart(self.recipe, images)
        parts = [images.split(images.held_out), *([] if apart is None else [apart])]
        most = min(MOST, MOST_PIXELS // math.prod(images.shape[:2]))
        pixels = np.concatenate([part.draw(most, self.recipe.seed).images for part in parts])
        return Calibration.of(error_maps(self.model, pixels, self.progress), self.latents.split("train").mean[rows])

    def squared_errors(self, images: Images) -> Float[np.ndarray, " n"]:
        """Mean squared error per pixel value of each reconstruction, (n,)."""
        return squared_errors(self.model, self.preprocess(images))

    def outliers(self, images: Images) -> Outliers:
        """How unusual images are, and which are outliers: percentiles, verdicts and heat maps.

        `calibration` holds what they are compared with, the threshold and its rate of false positives.
        """
        if (calibration := self.calibration) is None:
            raise ArmoireError(
                f"what is usual for {self.run} is measured on its data, which are not here; give them with "
                "Wardrobe.open(.., images)"
            )
        pixels = self.preprocess(images)
        parts = [pixels[start : start + JUDGED] for start in range(0, max(1, len(pixels)), JUDGED)]
        return Outliers.joined([calibration.judge(error_maps(self.model, part, self.progress)) for part in parts])

    def encode(self, images: Images) -> Float[np.ndarray, "n d"]:
        """The mean of q(z|x) of each image, float32 (n, d); other sizes are resized like the training data."""
        return encode_images(self.model, self.preprocess(images))

    def decode(self, z: Any) -> UInt8[np.ndarray, "n h w c"]:
        """The image E[x|z] of each latent, uint8 (n, h, w, c).

        `z` are finite latents (n, d), or one (d,): an array, a tensor, or nested lists.
        """
        return decode_latents(self.model, as_latents(z, self.recipe.dimensions))

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        prior: str | None = None,
        temperature: float = 1.0,
        label: str | None = None,
    ) -> Float[np.ndarray, "n d"]:
        """n latents drawn from a prior, float32 (n, d).

        Args:
            n: number of latents.
            seed: the same seed gives the same latents.
            prior: see `prior`.
            temperature: scales the standard deviation of the prior: below 1, draws are nearer to its centres.
            label: a class or an attribute: the prior is fitted to the latents of its training images alone.
        """
        return self._draw(n, seed, prior, temperature, label)[0]

    def sample_sources(
        self,
        n: int,
        *,
        seed: int = 0,
        prior: str | None = None,
        temperature: float = 1.0,
        label: str | None = None,
    ) -> list[dict[str, float]]:
        """The training images that each of the latents of `sample` is an average of: their weights by id.

        [] where the prior is not `neighbours`. Arguments as of `sample`.
        """
        return self._draw(n, seed, prior, temperature, label)[1]

    def _draw(
        self, n: int, seed: int, prior: str | None, temperature: float, label: str | None
    ) -> tuple[np.ndarray, list[dict[str, float]]]:
        check_count("n", n, 0)
        check_count("seed", seed, 0)
        check_temperature(temperature)
        chosen, random = self.prior(prior, label=label), np.random.default_rng(seed)
        return draw(chosen, n, random, temperature, lambda: self._latents_of("train", label).ids)

    def _latents_of(self, split: str, label: str | None = None) -> Latents:
        found = self.latents.split(split)
        return found if label is None else found.of(label, self.run.data.classes)

    def class_mean(self, label: str) -> Float[np.ndarray, " d"]:
        """The mean latent of the training images of a class or with an attribute, float32 (d,)."""
        found = self._latents_of("train", label)
        if not len(found):
            raise ArmoireError(f"{label} has no training images in {self.run}; choose another class")
        return found.mean.mean(axis=0, dtype=np.float64).astype(np.float32)

    def prior(self, kind: str | None = None, *, with_density: bool = False, label: str | None = None) -> Prior:
        """The distribution that `sample` draws from.

        Args:
            kind: `normal`, N(0, I); `box`, uniform in the bounding box of the held-out latents; `gmm`, `flow` or
                `neighbours`, fitted by `fit_prior`. None: the best fitted prior of the run, `neighbours` before the
                others; without any, `normal` for a VAE and `box` for an autoencoder.
            with_density: for `log_prob`: without `neighbours`.
            label: a class or an attribute: fitted to the latents of its training images alone, when it is first asked
                for, and stored. `normal`, here the default of every run without a fitted prior, is their Gaussian.
        """
        return self._priors.get(kind, with_density=with_density, label=label)

    def has_prior(self, kind: str) -> bool:
        """Whether a prior is available: `gmm`, `flow` and `neighbours` once they have been fitted."""
        return self._priors.has(kind)

    @property
    def priors(self) -> list[str]:
        """The kinds of prior fitted to this run, best first."""
        return self._priors.fitted()

    def fit_prior(self, kind: str, *, seed: int = 0, if_better: bool = False) -> dict[str, Any]:
        """Fit a prior to the training latents and store it in the run, where `sample` uses the best by default.

        `if_better`: store none that gives held-out latents a lower density than N(0, I), where that is the default.

        Returns the report of `armoire.priors.fit_prior`.
        """
        prior, report = self._fit_prior(kind, seed=seed)
        usual = self.recipe.posterior_class.default_prior
        if if_better and prior.has_density and usual == "normal" and report["log_prob"] <= report["log_prob_normal"]:
            self.progress.note(f"{prior.name} fits held-out latents worse than N(0, I): samples come from N(0, I)")
        elif not self._priors.write(kind, prior, report):
            self.progress.note(f"{self.run} is read-only or full: the prior was not stored in it")
        return report

    def _fit_prior(self, kind: str, label: str | None = None, *, seed: int) -> tuple[Prior, dict[str, Any]]:
        train = self.latents.split("train")
        keep = np.ones(len(train), bool) if label is None else train.has_label(label, self.run.data.classes) == 1
        rows = np.flatnonzero(keep)

        def copied(kept: np.ndarray, held_out: np.ndarray) -> CopyShare | None:
            try:
                images = self.images_used.split("train").images
            except ArmoireError as error:
                self.progress.note(f"samples were not compared with the training images: {error}")
                return None
            return copy_share(images, train.mean, self.decode, rows[kept], rows[held_out])

        return fit_prior(kind, train.draws[rows], copied=copied, seed=seed, progress=self.progress)

    @cached_property
    def _priors(self) -> RunPriors:
        def draws(part: str, label: str | None) -> LatentDraws:
            return self._latents_of(self.held_out if part == "held-out" else part, label).draws

        fit = partial(self._fit_prior, seed=self.recipe.seed)
        return RunPriors(self.run, draws, fit, self.progress)

    def explore(self, **settings: Any) -> AnyWidget:
        """The explorer in a notebook cell, see `armoire.explore`; settings such as height=600, in CSS pixels."""
        return from_later_layer("armoire.publish", "explore")(self, **settings)

    @property
    def held_out(self) -> str:
        """The split for measurements: test, or valid if there is no test split."""
        return "test" if "test" in self.latents.splits else "valid"

    def interpolate(
        self, a: Any, b: Any, steps: int = 9, *, kind: Interpolation = "linear"
    ) -> Float[np.ndarray, "steps d"]:
        """Latents from a to b, both ends included; see `armoire.wardrobe.interpolation.interpolate`."""
        d = self.recipe.dimensions
        return interpolate(as_latent(a, d, "the start of a path"), as_latent(b, d, "the end of a path"), steps, kind)

    def nearest(self, z: Any, k: int = 6, *, split: str | None = None) -> Neighbours:
        """The k images nearest to each latent, as rows of `latents` and distances.

        Large sets are searched with an index, which is built when first needed and cached. `split` is train, valid or
        test; by default all images are searched.
        """
        z = as_latents(z, self.recipe.dimensions)
        check_count("k", k, 1)
        among = None if split is None else self.latents.is_of(split)
        if index := self._neighbour_index:
            return index.search(z, k, among)
        return nearest(self.latents.mean, z, k, among)

    @cached_property
    def _neighbour_index(self) -> NeighbourIndex | None:
        return load_index(self.latents.mean, self.progress)

    def direction(self, attribute: str, *, method: str = "partial") -> Direction:
        """The direction of an attribute, fitted to the training images; cached in the run.

        Args:
            attribute: an attribute of the data set; one of its classes, against all others; or `axis-K`, the K-th
                principal axis of the training latents, counted from 1.
            method: `difference`, `partial` or `logistic`, see `armoire.wardrobe.directions`; unused for an axis.
        """
        check_method(method)
        train = self.latents.split("train")
        if attribute in train.attributes:
            return pick_direction(self.directions(method), attribute, train.attribute(attribute), str(self.run))
        return other_direction(train, attribute, method, self.run, self.progress)

    def directions(self, method: str = "partial") -> dict[str, Direction]:
        """The directions of all attributes that enough images have and lack, by attribute."""
        check_method(method)
        if method not in self._directions:
            train = self.latents.split("train")
            known = {name: train.attribute(name) for name in train.attributes}
            self._directions[method] = self.run.artifacts.get(
                f"directions/{method}.parquet",
                DIRECTIONS,
                lambda: fit_directions(train.mean, known, method, self.progress),
                progress=self.progress,
            )
        return self._directions[method]

    def preprocess(self, images: Images) -> UInt8[np.ndarray, "n h w c"]:
        """Images resized like the training data, uint8 (n, h, w, c); arrays of the model's size are unchanged."""
        return fit_images(images, self.fit)

    @property
    def images_used(self) -> ImageSet:
        """The images of the rows of `latents`: held-out images, and the training images that were drawn."""
        return limit_training(self.images, self.recipe.limit, self.recipe.seed)


#: Whatever `Wardrobe.open` takes.
RunLike = Wardrobe | Run | str | Path
