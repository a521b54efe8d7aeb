"""The registry of measures, and what each is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.priors import Prior
from armoire.progress import SILENT, Progress
from armoire.registry import Registry
from armoire.training.averages import Averages, average_over
from armoire.training.batches import Batches
from armoire.wardrobe import Latents, Wardrobe, encode_set


@dataclass(frozen=True)
class Options:
    """What `evaluate` was asked for; its arguments of these names."""

    samples: int | None = None
    features: str | None = None
    prior: str | None = None
    temperature: float = 1.0
    draws: int | None = None
    denoising: bool = False


@dataclass(frozen=True)
class Measure:
    """The numbers under one key of an evaluation."""

    #: The numbers, as JSON values; None where this run has none.
    compute: Callable[[Context], dict[str, Any] | None]
    #: Whether to compute them for these data and options.
    applies: Callable[[Context], bool] = lambda context: True


@dataclass(frozen=True, eq=False)
class Context:
    """A run and the split of a data set on which it is measured; what several measures need is computed once."""

    wardrobe: Wardrobe
    images: ImageSet
    split: str
    options: Options = Options()
    progress: Progress = SILENT
    as_trained: bool = False  # whether `images` were not given, but are those that the run was trained on

    @cached_property
    def part(self) -> ImageSet:
        """The images to measure; ArmoireError where the model takes others."""
        part, a = self.images.split(self.split), self.wardrobe.model.architecture
        if part.shape != (expected := (a.size, a.size, a.image_channels)):
            raise ArmoireError(f"{self.images.info.name} holds images of {part.shape}, the model wants {expected}")
        return part

    @property
    def is_held_out(self) -> bool:
        """Whether `part` are the held-out images of the data that the run was trained on."""
        return self.as_trained and self.split == self.images.held_out

    @cached_property
    def latents(self) -> Latents:
        """The posteriors of `part`, from the run where it has them."""
        # The cached latents may lack training images, those beyond the recipe's limit.
        if self.is_held_out:
            return self.wardrobe.latents.split(self.split)
        return encode_set(self.wardrobe.model, self.part, self.progress)

    @cached_property
    def averages(self) -> Averages:
        """The terms of the training objective, averaged over `part`."""
        model = self.wardrobe.model
        return average_over(model, Batches(self.part.images, model.device), self.wardrobe.recipe)

    @cached_property
    def prior(self) -> Prior:
        """The prior that samples are drawn from."""
        return self.wardrobe.prior(self.options.prior)

    @cached_property
    def classifier_data(self) -> ImageSet | None:
        """Data whose training images an attribute classifier can be trained on; None where there are none."""
        if (self.images.attributes or self.images.info.classes) and "train" in self.images.splits:
            return self.images
        if self.wardrobe.latents.attributes:
            try:
                return self.wardrobe.images
            except ArmoireError as error:
                self.progress.note(f"edits and samples are not measured without the training images: {error}")
        return None

    @property
    def has_attributes(self) -> bool:
        """Whether an attribute classifier of real attributes, not of labels, can be trained and is fair to use."""
        # The classifier was trained on the training images.
        return self.split != "train" and bool(self.classifier_data and self.classifier_data.attributes)


#: In the order in which they are computed; the name is the key in an evaluation.
MEASURES = Registry[Measure](
    "measure",
    "armoire.measures",
    {
        "reconstruction": "armoire.measure.reconstruction:MEASURE",
        "elbo": "armoire.measure.elbo:ELBO",
        "published_scale": "armoire.measure.elbo:PUBLISHED_SCALE",
        "latent": "armoire.measure.latent_statistics:MEASURE",
        "likelihood": "armoire.measure.importance_weighted:MEASURE",
        "denoising": "armoire.measure.denoising:MEASURE",
        "samples": "armoire.measure.samples:MEASURE",
        "editing": "armoire.measure.editing:MEASURE",
        "uses": "armoire.measure.uses:MEASURE",
    },
)
