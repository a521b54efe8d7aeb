"""The posteriors of a data set, as a Parquet table, and batched encoding and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int, UInt8

from armoire.images import ImageSet
from armoire.images.rows import Rows
from armoire.io.artifacts import TableFormat
from armoire.io.tables import write_table
from armoire.model import Autoencoder, to_pixels
from armoire.priors import LatentDraws
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches


@dataclass(frozen=True, eq=False)
class Latents(Rows):
    """The posteriors q(z|x) of n images over d latent dimensions.

    Attributes:
        table: id, split, label and attributes of each image, as in its ImageSet.
        mean: float32 (n, d).
        log_var: log-variance, float32 (n, d); None for an autoencoder, whose posteriors are points.
    """

    table: pa.Table
    mean: Float[np.ndarray, "n d"]
    log_var: Float[np.ndarray, "n d"] | None

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def draws(self) -> LatentDraws:
        """The posteriors, to fit a prior to."""
        return LatentDraws(self.mean, self.log_var)

    def split(self, name: str) -> Latents:
        """The images of one split, none where it has none."""
        return self._take(self.split_of == name)

    def of(self, label: str, classes: Sequence[str]) -> Latents:
        """The images of a class or with an attribute; an error if there is none of this name."""
        return self._take(self.has_label(label, classes) == 1)

    def _take(self, keep: Bool[np.ndarray, " n"]) -> Latents:
        return Latents(self.table.filter(keep), self.mean[keep], None if self.log_var is None else self.log_var[keep])

    def first(self, n: int) -> Latents:
        return Latents(self.table.slice(0, n), self.mean[:n], None if self.log_var is None else self.log_var[:n])

    def describe(self, rows: Int[np.ndarray, " k"], classes: Sequence[str]) -> list[dict[str, str | None]]:
        """The id, split and label of some rows; the label as its class name if there is one, None if unknown."""
        found = self.table.select(["id", "split", "label"]).take(rows).to_pylist()
        names = dict(enumerate(classes))
        for row in found:
            row["label"] = None if row["label"] is None else names.get(row["label"], str(row["label"]))
        return found

    def to_table(self) -> pa.Table:
        """id, split, label, attributes, mean_0.. and log_var_0.. as columns."""
        table = self.table
        for name, values in (("mean", self.mean), ("log_var", self.log_var)):
            for k in range(0 if values is None else values.shape[1]):
                table = table.append_column(f"{name}_{k}", pa.array(values[:, k]))  # type: ignore[index]
        return table

    def write(self, path: Path, metadata: dict[str, str]) -> None:
        """Write `to_table` as Parquet, atomically, with schema metadata."""
        write_table(self.to_table().replace_schema_metadata(metadata), path)

    @classmethod
    def from_table(cls, table: pa.Table) -> Latents:
        """The inverse of `to_table`; ValueError if the table has no such columns."""
        mean, log_var = _block(table, "mean"), _block(table, "log_var")
        if missing := {"id", "split", "label"} - set(table.column_names):
            raise ValueError(f"it has no column {sorted(missing)[0]}")
        if mean is None or (log_var is not None and log_var.shape != mean.shape):
            raise ValueError("it has no latents (mean_0, log_var_0...)")
        blocks = {f"{name}_{k}" for name in ("mean", "log_var") for k in range(mean.shape[1])}
        return cls(table.select([n for n in table.column_names if n not in blocks]), mean, log_var)


#: RUN/latents.parquet
LATENTS = TableFormat("armoire-latents-1", Latents.to_table, Latents.from_table)


def _block(table: pa.Table, name: str) -> np.ndarray | None:
    columns: list[np.ndarray] = []
    while (column := f"{name}_{len(columns)}") in table.column_names:
        values = table[column].to_numpy()
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise ValueError(f"its column {column} is not float32 with finite values only")
        columns.append(values)
    return np.stack(columns, axis=1) if columns else None


@torch.no_grad()
def encode_set(model: Autoencoder, images: ImageSet, progress: Progress = SILENT) -> Latents:
    """The posterior of every image of a set, in order."""
    model.eval()
    means, log_vars = [], []
    with progress.task("encoding", len(images), "images", rate=True) as task:
        for x in Batches(images.images, model.device).in_turn(EVALUATION_BATCH):
            posterior = model.encode(x)
            means.append(posterior.mean.cpu().numpy())
            if posterior.log_var is not None:
                log_vars.append(posterior.log_var.cpu().numpy())
            task.advance(len(x))
    return Latents(images.table, np.concatenate(means), np.concatenate(log_vars) if log_vars else None)


@torch.no_grad()
def encode_images(model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n d"]:
    """The mean of q(z|x) of each image, in batches."""
    empty = np.empty((0, model.architecture.latent), np.float32)
    batches = Batches(pixels, model.device).in_turn(EVALUATION_BATCH)
    return np.concatenate([empty, *(model.encode(x).mean.cpu().numpy() for x in batches)])


@torch.no_grad()
def decode_latents(model: Autoencoder, z: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n h w c"]:
    """The image E[x|z] of each latent, in batches."""
    a = model.architecture
    images = np.empty((len(z), a.size, a.size, a.image_channels), np.uint8)
    for start in range(0, len(z), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        images[part] = to_pixels(model.decode(torch.tensor(z[part], device=model.device)))
    return images
