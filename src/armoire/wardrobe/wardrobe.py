"""Wardrobe: a trained model, where everything of its data set lies, and what one does there."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from armoire.checks import as_latent, as_latents, check_count, check_temperature
from armoire.errors import ArmoireError, did_you_mean
from armoire.html_repr import Picture, Table, counted, html_repr
from armoire.images import ImageSet, load_images
from armoire.images.fit import Fit
from armoire.images.grid import PREVIEW_IMAGES, preview
from armoire.images.imageset import SetInfo, fingerprint, make_table
from armoire.images.inputs import Images, fit_images
from armoire.images.sources import source_path
from armoire.images.sources.fashion_mnist import NAME as FASHION
from armoire.io.files import atomic_folder
from armoire.lazy import from_later_layer
from armoire.model import Autoencoder, to_pixels, to_unit
from armoire.priors import Prior, fit_prior
from armoire.progress import SILENT, USUAL, Progress
from armoire.training import Recipe, Run, load_recipe
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.machine import keep_memory, pick_device
from armoire.wardrobe.directions import (
    AXIS,
    DIRECTIONS,
    Direction,
    check_method,
    fit_directions,
    other_direction,
    pick_direction,
)
from armoire.wardrobe.index import NeighbourIndex, load_index
from armoire.wardrobe.interpolation import Interpolation, interpolate
from armoire.wardrobe.latents import LATENTS, Latents, encode_set
from armoire.wardrobe.neighbours import Neighbours, nearest_among
from armoire.wardrobe.outliers import PERCENTILES, ErrorPercentiles, measure_percentiles, squared_errors
from armoire.wardrobe.own_training import write_run
from armoire.wardrobe.priors import RunPriors

if TYPE_CHECKING:
    from anywidget import AnyWidget


class Wardrobe:
    """An opened run.

    Images are uint8 (n, h, w, c) arrays or tensors, PIL images, paths, or lists of these, see
    `armoire.images.inputs.fit_images`; latents are finite numbers (n, d), and come out as float32.

    Attributes:
        run: the folder it came from.
        model: the trained Autoencoder, in evaluation mode.
        progress: where long work is reported.
    """

    def __init__(self, run: Run, model: Autoencoder, images: ImageSet | None = None, progress: Progress = SILENT):
        """Prefer `Wardrobe.open`."""
        self.run = run
        self.model = model
        self._images = images
        self.progress = progress
        self._directions: dict[str, dict[str, Direction]] = {}

    @classmethod
    def open(
        cls,
        path: RunLike,
        images: ImageSet | None = None,
        device: str | torch.device | None = "auto",
        progress: Progress = USUAL,
    ) -> Wardrobe:
        """Open a run.

        Args:
            path: the run's folder, or `hf:OWNER/NAME`, as `Run.open` takes it; or a Run. A Wardrobe is returned as it
                is, so that a function may take either.
            images: its data, where it is at hand; else it is found where the run says, when it is needed.
            device: auto (CUDA where there is a GPU for it, else the CPU), cpu, cuda or mps (untested), or a
                torch.device.
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
        """Open a model that was trained by one's own loop, as a run in a temporary folder; `save` keeps it.

        Args:
            model: the trained model.
            images: what it was trained on.
            recipe: a recipe or the name of one, whose architecture need not be the model's.
            steps: optimiser steps that were done.
            progress: where to report.
        """
        temporary = Path(tempfile.mkdtemp(prefix="armoire-"))
        chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        model.eval()
        run = write_run(temporary / chosen.name, model, images, chosen, steps=steps)
        wardrobe = cls(run, model, images, progress)
        weakref.finalize(wardrobe, shutil.rmtree, temporary, ignore_errors=True)
        return wardrobe

    def save(self, path: str | Path) -> Wardrobe:
        """Copy the run to a new folder, and open it there.

        Raises:
            ArmoireError: the folder is not empty, or cannot be written.
        """
        target = Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ArmoireError(f"{target} exists and is not an empty folder; choose another")
        with atomic_folder(target) as beside:
            shutil.copytree(self.run.path, beside, dirs_exist_ok=True)
        return Wardrobe(Run.open(target, self.progress), self.model, self._images, self.progress)

    def __repr__(self) -> str:
        return f"Wardrobe({str(self.run.path)!r}, {self.run.data.name}, {self.recipe.latent} latent dimensions)"

    def _repr_html_(self) -> str:
        rows = list(self.run.facts().rows)
        rows.append(("parameters", f"{self.model.parameter_count():,}"))
        pictures = []
        with contextlib.suppress(ArmoireError):
            # Only what is there already: a glance should not encode a data set.
            if cached := self.__dict__.get("latents") or self.run.artifacts.read("latents.parquet", LATENTS):
                self.__dict__["latents"] = cached
                rows.append(("latents", counted(cached.splits)))
                made = preview(self.decode(self.sample(PREVIEW_IMAGES)))
                pictures = [Picture(made, f"{PREVIEW_IMAGES} images made at places drawn from its prior, seed 0")]
        return html_repr(self.run.name, f"A wardrobe: {self.recipe.lead}", [Table(rows, words=True)], pictures)

    @property
    def recipe(self) -> Recipe:
        """The settings it was trained with."""
        return self.run.recipe

    @property
    def fit(self) -> Fit:
        """How its training images were fitted."""
        return self.run.data.fit

    @cached_property
    def images(self) -> ImageSet:
        """The data set it was trained on.

        Raises:
            ArmoireError: it is gone, or no longer the same.
        """
        data, given = self.run.data, self._images
        if given is not None:
            if given.info.fingerprint != data.fingerprint:
                raise ArmoireError(f"{given.info.name} is not what {self.run.path} was trained on; give the same data")
            return given
        if not data.source:
            raise ArmoireError(
                f"{self.run.path} was trained on an array in memory; give it with Wardrobe.open(.., images)"
            )
        place = source_path(data.source)
        # A relative one is the name of data on another machine, and no folder here.
        if place is not None and not (place.is_absolute() and place.exists()):
            raise ArmoireError(
                f"the data of {self.run.path} ({data.source}) are not here; give them with --data, which armoire "
                "evaluate, figures and doctor take, or in Python with Wardrobe.open(.., images)"
            )
        found = self.load(data.source)
        if found.info.fingerprint != data.fingerprint:
            raise ArmoireError(f"{data.source} has changed since {self.run.path} was trained on it; train again")
        return found

    @property
    def images_at_hand(self) -> ImageSet | None:
        """The data set that it was opened with; None where it is to be found as the run says."""
        return self._images

    def load(self, source: Images) -> ImageSet:
        """A data set, fitted like the training data.

        Args:
            source: what `load_images` takes; an ImageSet, which is returned as it is; or images in memory or a list of
                paths, which become a set of one split, test.

        Raises:
            ArmoireError: it cannot be read, or is of another shape than the training data.
        """
        if isinstance(source, ImageSet):
            return source
        if not isinstance(source, str | Path):
            return _unsplit(self.preprocess(source), self.fit)
        size = None if str(source).partition(":")[0] == FASHION else self.fit.size
        images = load_images(source, size, self.fit.how, self.fit.background_hex, self.progress, self.fit.channels)
        a = self.model.architecture
        if images.shape != (a.size, a.size, a.image_channels):
            raise ArmoireError(
                f"{source} holds images of {images.shape}, but {self.run.path} was trained on "
                f"{(a.size, a.size, a.image_channels)} (height, width, channels)"
            )
        return images

    def load_other(self, source: str | Path) -> ImageSet | None:
        """Load data as `load` does; None where they are what the run was trained on, which is used from then on."""
        images = self.load(source)
        if images.info.fingerprint != self.run.data.fingerprint:
            return images
        self._images = images
        self.__dict__.pop("images", None)
        return None

    @cached_property
    def latents(self) -> Latents:
        """Where the images it was trained on, and the held-out ones, lie; kept in latents.parquet."""
        return self.run.artifacts.get(
            "latents.parquet",
            LATENTS,
            lambda: encode_set(self.model, self.images_used, self.progress),
            progress=self.progress,
        )

    @cached_property
    def error_percentiles(self) -> ErrorPercentiles | None:
        """Percentiles of the held-out images' reconstruction errors, cached in error_percentiles.json.

        None, and a note, where they are neither cached nor can be computed, since the data are gone.
        """
        try:
            return self.run.artifacts.get(
                "error_percentiles.json",
                PERCENTILES,
                lambda: measure_percentiles(self.model, self.images, self.progress),
                progress=self.progress,
            )
        except ArmoireError as error:
            self.progress.note(f"outliers cannot be detected: {error}")
            return None

    def key(self) -> dict[str, str]:
        """Which data and weights something kept beside the model was made of: of others it is made again."""
        return self.run.key()

    def squared_errors(self, images: Images) -> Float[np.ndarray, " n"]:
        """Mean squared error a pixel value of each reconstruction, to be compared with `error_percentiles`."""
        return squared_errors(self.model, self.preprocess(images))

    def encode(self, images: Images) -> Float[np.ndarray, "n d"]:
        """The mean of q(z|x) of each image, float32 (n, d). Those of another size are fitted like the training data."""
        pixels = self.preprocess(images)
        means = np.empty((len(pixels), self.recipe.latent), np.float32)
        with torch.no_grad():
            for start in range(0, len(pixels), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                x = to_unit(torch.from_numpy(np.array(pixels[part])).to(self.model.device))
                means[part] = self.model.encode(x).mean.cpu().numpy()
        return means

    def decode(self, z: Any) -> UInt8[np.ndarray, "n h w c"]:
        """The image E[x|z] of each latent, uint8 (n, h, w, c).

        Args:
            z: latents (n, d), or one (d,): an array, a tensor, or nested lists.

        Raises:
            ArmoireError: they are of other dimensions, or not finite numbers.
        """
        z = as_latents(z, self.recipe.latent)
        a = self.model.architecture
        made = np.empty((len(z), a.size, a.size, a.image_channels), np.uint8)
        with torch.no_grad():
            for start in range(0, len(z), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                made[part] = to_pixels(self.model.decode(torch.tensor(z[part], device=self.model.device)))
        return made

    def sample(
        self, n: int, seed: int = 0, prior: str | None = None, temperature: float = 1.0
    ) -> Float[np.ndarray, "n d"]:
        """Draw n places to make something new at.

        Args:
            n: how many.
            seed: the same seed draws the same places.
            prior: as in `prior`.
            temperature: below 1 nearer to where most images lie, above 1 farther away.

        Raises:
            ArmoireError: n or seed is below 0, or temperature is not above 0.
        """
        check_count("n", n, 0)
        check_count("seed", seed, 0)
        check_temperature(temperature)
        return self.prior(prior).sample(n, np.random.default_rng(seed), temperature)

    def prior(self, kind: str | None = None) -> Prior:
        """The distribution that `sample` draws from.

        Args:
            kind: `normal`, N(0, I); `box`, that of the held-out images' embeddings; `gmm` or `flow`, fitted with
                `fit_prior`. By default the one that fits best where the run keeps any; else `normal` for a VAE
                and `box` for an autoencoder, which has no other.

        Raises:
            ArmoireError: there is no such prior, or it was not fitted yet, or its file is damaged.
        """
        return self._priors.get(kind)

    def has_prior(self, kind: str) -> bool:
        """Whether a prior of a kind is at hand: `gmm` and `flow` once they were fitted."""
        return self._priors.has(kind)

    @property
    def priors(self) -> list[str]:
        """The kinds of prior that were fitted to this run, the one that fits best first."""
        return self._priors.fitted()

    def fit_prior(self, kind: str, seed: int = 0) -> dict[str, Any]:
        """Fit a prior to where the training images lie and keep it in the run; `sample` draws from it from then on.

        Args:
            kind: `gmm` or `flow`.
            seed: of the fit.

        Returns:
            What came of it, as `armoire.priors.fit_prior` says.

        Raises:
            ArmoireError: it cannot be fitted, or not be kept.
        """
        prior, facts = fit_prior(kind, self.latents.split("train").draws, seed=seed, progress=self.progress)
        self._priors.write(kind, prior, facts)
        return facts

    def store_prior(self, kind: str, prior: Prior, report: dict[str, Any]) -> None:
        """Store a prior that was fitted to the training latents, with its fit report; `sample` draws from it."""
        self._priors.write(kind, prior, report)

    @cached_property
    def _priors(self) -> RunPriors:
        return RunPriors(self.run, lambda part: self.latents.split(self.held_out if part == "held-out" else part).draws)

    def explore(self, **settings: Any) -> AnyWidget:
        """The explorer in a cell of a notebook: see `armoire.explore`.

        Args:
            **settings: as there, such as height=600, in CSS pixels.

        Raises:
            ArmoireError: anywidget is not installed, or the page was left out of this install.
        """
        return from_later_layer("armoire.publish", "explore")(self, **settings)

    @property
    def held_out(self) -> str:
        """The split that was measured on: test, or valid where there is no test split."""
        return "test" if "test" in self.latents.splits else "valid"

    def interpolate(
        self, a: Any, b: Any, *, steps: int = 9, kind: Interpolation = "linear"
    ) -> Float[np.ndarray, "steps d"]:
        """Latents from a to b, both ends included; see `armoire.wardrobe.interpolation.interpolate`."""
        d = self.recipe.latent
        return interpolate(as_latent(a, d, "the start of a path"), as_latent(b, d, "the end of a path"), steps, kind)

    def nearest(self, z: Any, k: int = 6, split: str | None = None) -> Neighbours:
        """The k images nearest to each place, as rows of `latents` and distances.

        Of a large set they are found with an index that is kept in the run, and built when it is first asked for.

        Args:
            z: the latents, as in `make`.
            k: how many, 1 or more.
            split: train, valid or test: only images of that split.

        Raises:
            ArmoireError: no image is of that split, or z or k do not fit.
        """
        z = as_latents(z, self.recipe.latent)
        check_count("k", k, 1)
        among = None if split is None else self.latents.is_of(split)
        if self._neighbour_index is None:
            return nearest_among(self.latents.mean, z, k, among)
        return self._neighbour_index.search(z, k, among)

    @cached_property
    def _neighbour_index(self) -> NeighbourIndex | None:
        return load_index(self.latents.mean, self.progress)

    def direction(self, attribute: str, method: str = "partial") -> Direction:
        """Where an attribute grows, fitted to the training images; of attributes it is kept in the run.

        Args:
            attribute: one that the data set knows; or one of its classes, which its images have and all others lack; or
                `axis-K`, the K-th principal axis of the training images, counted from 1, which any data have.
            method: `difference`, `partial` or `logistic`; see `armoire.wardrobe.directions`. An axis has none.

        Raises:
            ArmoireError: there is nothing of that name, or too few images have or lack it.
        """
        check_method(method)
        train, data = self.latents.split("train"), self.run.data
        if attribute in train.attributes:
            return pick_direction(self.directions(method), attribute, train.attribute(attribute), str(self.run.path))
        if found := other_direction(train, attribute, data.classes, method, str(self.run.path), self.progress):
            return found
        if train.attributes:
            train.attribute(attribute, data.attribute_source)  # says what is meant
        of_classes = f", or name one of its classes ({did_you_mean(attribute, data.classes)})" if data.classes else ""
        raise ArmoireError(
            f"{self.run.path} was trained on {data.name}, of which no attributes are known; train on data that brings "
            f"some, such as drawn-faces or celeba:PATH{of_classes}, or one of the axes that any data have, {AXIS}1 to "
            f"{AXIS}{self.recipe.latent}"
        )

    def directions(self, method: str = "partial") -> dict[str, Direction]:
        """The directions of all attributes that enough images have and lack, by name."""
        check_method(method)
        if method not in self._directions:
            name = f"directions/{method}.parquet"
            self._directions[method] = self.run.artifacts.get(
                name, DIRECTIONS, lambda: self._fit_directions(method), progress=self.progress
            )
        return self._directions[method]

    def _fit_directions(self, method: str) -> dict[str, Direction]:
        train = self.latents.split("train")
        known = {name: train.attribute(name) for name in train.attributes}
        return fit_directions(train.mean, known, method, self.progress)

    def preprocess(self, images: Images) -> UInt8[np.ndarray, "n h w c"]:
        """Images as the model takes them: arrays of its height and width as they are, all others fitted like its data.

        Args:
            images: see `armoire.images.inputs.fit_images`.

        Raises:
            ArmoireError: they are of another type or layout, or a file cannot be read.
        """
        return fit_images(images, self.fit)

    @property
    def images_used(self) -> ImageSet:
        """The images of `latents`, row by row: all, or with a recipe's limit its training images and the held-out ones.

        Raises:
            ArmoireError: as `images`.
        """
        if self.recipe.limit is None or self.images.splits.get("train", 0) <= self.recipe.limit:
            return self.images
        import pyarrow as pa

        images, skipped = self.images, self.images.splits["train"]
        limit = self.recipe.limit
        # The rest is a view where it can be: only a quick look is ever limited, and small.
        pixels = np.concatenate([images.images[:limit], images.images[skipped:]])
        table = pa.concat_tables([images.table.slice(0, limit), images.table.slice(skipped)])
        return ImageSet(pixels, table, images.info)


#: What stands for a run wherever one is used.
RunLike = Wardrobe | Run | str | Path


def _unsplit(pixels: UInt8[np.ndarray, "n h w c"], fit: Fit) -> ImageSet:
    """Fitted images without ids and labels as a set that is held out as a whole."""
    n = len(pixels)
    if n == 0:
        raise ArmoireError("no images were given to measure; give one or more")
    table = make_table([f"{i:06d}" for i in range(n)], ["test"] * n, [None] * n)
    return ImageSet(pixels, table, SetInfo("array", "", fit, (), fingerprint(pixels, table)))
