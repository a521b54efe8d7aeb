"""Encode sets of any size in shards; see `armoire.wardrobe.sharding`. The columns are mean and log_var."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.fit import Decode, Fit
from armoire.images.source import Request
from armoire.images.sources import open_source
from armoire.model import Autoencoder, to_unit
from armoire.training import Run
from armoire.wardrobe.sharding import SHARD_SIZE, Engine, Sharded, Work, compute_shards
from armoire.wardrobe.shards import Computation, Processor, as_lists
from armoire.wardrobe.wardrobe import RunLike, Wardrobe

FORMAT = "armoire-encoding-2"
DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class LatentsOfRun(Computation):
    """The latents of a run."""

    run: str  # the run's folder
    model_sha256: str  # of the weights, which may not change meanwhile
    fit: Fit  # how images are fitted
    dtype: str = "float32"  # float32 or float16, of the latents

    @classmethod
    def of(cls, wardrobe: Wardrobe, dtype: str = "float32") -> LatentsOfRun:
        """The latents of an opened run."""
        return cls(str(wardrobe.run.path.resolve()), wardrobe.run.model_sha256(), wardrobe.fit, dtype)

    def load(self, device: torch.device) -> Encoder:
        """Load the model.

        Raises:
            ArmoireError: the run is damaged, or not the one that the computation was begun with.
        """
        run = Run.open(self.run)
        if run.model_sha256() != self.model_sha256:
            raise ArmoireError(f"{self.run} has changed since the encoding began; encode to another --out")
        return Encoder(self, run.model(device))


@dataclass(frozen=True)
class Encoder(Processor):
    """A run's model, loaded."""

    settings: LatentsOfRun
    model: Autoencoder

    def decode(self, image: Decode) -> np.ndarray:
        return image(self.settings.fit)

    def columns(self, images: Sequence[np.ndarray]) -> dict[str, pa.Array]:
        names, dtype = self.model.posterior.parameters, self.settings.dtype
        if not images:
            return {name: as_lists(np.empty((0, self.model.architecture.latent), dtype)) for name in names}
        posterior = self.model.encode(to_unit(torch.from_numpy(np.stack(images)).to(self.model.device)))
        return {name: as_lists(getattr(posterior, name).cpu().numpy().astype(dtype)) for name in names}


def encode_shards(
    wardrobe: RunLike,
    data: str | Path,
    out: str | Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard_size: int = SHARD_SIZE,
    dtype: str = "float32",
    choice: ColumnChoice = FREE,
) -> Sharded:
    """Encode a source of any size to a folder of Parquet shards; an interrupted encoding resumes.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it. Its images need not be available.
        data: what `load_images` takes.
        out: the folder; new, empty, or of the same encoding.
        engine: `local`, processes of this machine, or `ray`, a Ray cluster or one started for the encoding.
        workers: number of processes; by default one per core, or 4 per GPU.
        shard_size: images per shard.
        dtype: `float32` or `float16`.
        choice: which columns of the data hold the images and their names, where that is not to be guessed.

    Raises:
        ArmoireError: an argument does not fit, or `out` holds something else.
    """
    where = Engine(engine, workers, shard_size)
    if dtype not in DTYPES:
        raise ArmoireError(f"no dtype '{dtype}'; {did_you_mean(dtype, DTYPES)}")
    wardrobe = Wardrobe.open(wardrobe)
    fit, latents = wardrobe.fit, LatentsOfRun.of(wardrobe, dtype)
    request = Request(str(data), fit.size, fit.how, fit.background_hex, fit.channels, choice, wardrobe.progress)
    about: dict[str, object] = {
        "format": FORMAT,
        "model_sha256": latents.model_sha256,
        "dtype": dtype,
        "latent": wardrobe.recipe.dimensions,
        "posterior": wardrobe.recipe.posterior,
    }
    device, provenance = wardrobe.model.device.type, {"run": latents.run}
    work = Work(latents, open_source(request), "encoding", about, choice, device, provenance)
    return compute_shards(work, Path(out).expanduser(), where, wardrobe.progress)
