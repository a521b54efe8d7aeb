"""Sound files, small ones, that fuzzing begins with."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from armoire.images import Fit, SetInfo
from armoire.io.tables import write_table
from armoire.io.tensors import write_tensors
from armoire.training.recipe import load_recipe, recipe_names


def seeds(target: str) -> Iterator[bytes]:
    """Some for a target."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    encoded = []
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"):
        file = BytesIO()
        picture.save(file, kind)
        encoded.append(file.getvalue())
    if target == "image":
        yield from encoded
    elif target == "archive":
        file = BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, content in enumerate(encoded[:3]):
                archive.writestr(f"a/{number}.png", content)
        yield file.getvalue()
    elif target == "recipe":
        yield from (load_recipe(name).to_toml(comments=True).encode() for name in recipe_names())
    elif target == "facts":
        yield SetInfo("x", "/x", Fit(16), ("a", "b"), "f").to_json().encode()
    elif target == "weighting":
        yield from (b"2000*mse", b"500*bce", b"0.5*sse + kl", b"mse + batch/images*kl")
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x"
            if target == "tensors":
                write_tensors(path, {"a": torch.zeros(2, 3)}, {"format": "armoire-model-1"})
            else:
                write_table(pa.table({"id": ["a", "b"], "mean_0": np.zeros(2, np.float32)}), path)
            yield path.read_bytes()
