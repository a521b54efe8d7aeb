"""A training that starts from the weights of a run, instead of new ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.model import Autoencoder
from armoire.training.recipe import Recipe
from armoire.training.run import Run


@dataclass(frozen=True, eq=False)
class WarmStart:
    """The weights that a training starts from, and where they are from.

    Attributes:
        run: name of the run.
        sha256: of its weights.
        model: with these.
    """

    run: str
    sha256: str
    model: Autoencoder

    @classmethod
    def of(cls, run: Run) -> WarmStart:
        return cls(run.name, run.model_sha256(), run.model())

    @property
    def provenance(self) -> dict[str, Any]:
        """What the header of the new weights says."""
        return {"run": self.run, "model_sha256": self.sha256}

    def check(self, recipe: Recipe, images: ImageSet) -> Recipe:
        """The recipe, with the run's latent dimensions where it leaves them to the data.

        ArmoireError where its network is not the run's, but for the latent dimensions.
        """
        there = self.model.architecture
        recipe = recipe.change(latent=there.latent) if recipe.latent == "auto" else recipe
        wanted = asdict(recipe.architecture(images))
        for name, value in asdict(replace(there, latent=recipe.dimensions)).items():
            if wanted[name] != value:
                raise ArmoireError(
                    f"{self.run} has {name} = {value}, and this training {name} = {wanted[name]}: weights can be taken "
                    "over by an equal network only; give the same recipe and --size, or no --from"
                )
        return recipe

    @torch.no_grad()
    def load_into(self, model: Autoencoder, keep: Collection[str] = ()) -> None:
        """Copy the weights to a model of the same network; those of another shape, and `keep`, stay as they are."""
        given = self.model.state_dict()
        for name, tensor in model.state_dict().items():
            if name not in keep and tensor.shape == given[name].shape:
                tensor.copy_(given[name])
