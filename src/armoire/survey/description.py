"""What a survey knows about each image, computed in shards: size, digest, a small copy of its pixels, features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from armoire.images.decode import full_size
from armoire.images.fit import Decode, Fit, flatten
from armoire.images.grid import to_pil
from armoire.model import to_unit
from armoire.wardrobe.encoding import LatentsOfRun
from armoire.wardrobe.extractors import EfficientNetLite0
from armoire.wardrobe.shards import Computation, Processor, as_lists

SMALL = 32  # side in pixels of the copies that are compared
READ = 128  # side that images are decoded for, at least; a larger one may be reduced while it is decoded
NETWORK = 128  # side in pixels of EfficientNet-Lite0's input
WHITE = (255, 255, 255)  # under transparent pixels
DIGEST = 16  # bytes
FEATURES = {
    "efficientnet-lite0": "features of EfficientNet-Lite0",
    "latents": "latents of {}",
    "components": "principal components of the pixels",
}


@dataclass(frozen=True)
class Description(Computation):
    """The description of images; `run` is the one whose latents are the features."""

    features: str  # one of FEATURES
    run: LatentsOfRun | None = None

    def load(self, device: torch.device) -> Describer:
        """Load the network, or the run's model."""
        if self.run:
            encoder = self.run.load(device)
            return Describer(self.run.fit, lambda x: encoder.model.encode(x.to(device)).mean)
        if self.features == "components":
            return Describer()
        network = EfficientNetLite0(device, NETWORK)
        return Describer(Fit(NETWORK, "stretch"), lambda x: network.features(x.to(device)))


@dataclass(frozen=True)
class _Described:
    size: tuple[int, int]  # width and height in pixels, as stored
    digest: bytes  # of the decoded pixels
    small: UInt8[np.ndarray, "s s 3"]
    fitted: np.ndarray | None  # as the network takes it


@dataclass(frozen=True)
class _Kept(Fit):
    """Keeps the image that it is given, since features and comparison need it in several sizes."""

    images: list[Image.Image] = field(default_factory=list, compare=False)

    def __call__(self, image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
        self.images.append(image)
        return super().__call__(image)


@dataclass(frozen=True)
class Describer(Processor):
    """Describes images; without a fit and a network there are no features."""

    fit: Fit | None = None
    network: Callable[[Float[torch.Tensor, "n c h w"]], Float[torch.Tensor, "n f"]] | None = None

    def decode(self, image: Decode) -> _Described:
        kept = _Kept(max(READ, self.fit.size if self.fit else 0), "stretch")
        pixels = image(kept)
        # An array that has the size already is not fitted.
        given = kept.images[0] if kept.images else to_pil(pixels)
        opaque = flatten(given, WHITE).convert("RGB")
        size = full_size(given)
        digest = hashlib.blake2b(opaque.tobytes(), digest_size=DIGEST, salt=b"%dx%d" % size).digest()
        # Sharper filters agree better about images of several sizes (docs/decisions/048).
        small = np.asarray(opaque.resize((SMALL, SMALL), Image.Resampling.LANCZOS))
        return _Described(size, digest, small, self.fit(given) if self.fit else None)

    def columns(self, images: Sequence[_Described]) -> dict[str, pa.Array]:
        small = np.stack([i.small for i in images]) if images else np.empty((0, SMALL, SMALL, 3), np.uint8)
        found = {
            "width": pa.array([i.size[0] for i in images], pa.int32()),
            "height": pa.array([i.size[1] for i in images], pa.int32()),
            "digest": pa.array([i.digest for i in images], pa.binary(DIGEST)),
            "small": as_lists(small.reshape(len(small), SMALL * SMALL * 3)),
        }
        if self.network and self.fit:
            shape = (self.fit.canvas, self.fit.canvas, self.fit.channels)
            fitted = np.stack([np.asarray(i.fitted) for i in images]) if images else np.zeros((1, *shape), np.uint8)
            features = self.network(to_unit(torch.from_numpy(fitted)))[: len(images)]
            found["features"] = as_lists(features.float().cpu().numpy().astype(np.float16))
        return found


@dataclass(frozen=True, eq=False)
class Descriptions:
    """The descriptions of n images that could be read."""

    ids: list[str]
    rows: np.ndarray  # their positions in the source
    sizes: np.ndarray  # (n, 2), width and height in pixels
    digests: list[bytes]
    small: UInt8[np.ndarray, "n s s 3"]
    features: Float[np.ndarray, "n f"] | None

    @classmethod
    def read(cls, files: Sequence[Path]) -> Descriptions:
        """The rows of all shards."""
        table = pq.read_table([str(file) for file in files]).combine_chunks()
        return cls(
            table["id"].to_pylist(),
            table["row"].to_numpy(),
            np.stack([table["width"].to_numpy(), table["height"].to_numpy()], axis=1),
            table["digest"].to_pylist(),
            _matrix(table["small"]).reshape(-1, SMALL, SMALL, 3),
            _matrix(table["features"]) if "features" in table.column_names else None,
        )


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists as (n, length)."""
    lists = column.combine_chunks()
    return lists.flatten().to_numpy().reshape(len(lists), lists.type.list_size)
