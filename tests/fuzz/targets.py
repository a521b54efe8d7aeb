"""What strangers' bytes go through: each target either does its work or raises the error it promises, and no other."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.images.archives import list_source
from armoire.images.decode import RejectedImageError, read_image
from armoire.images.fit import Fit
from armoire.images.imageset import SetInfo
from armoire.io.files import parse_json, parse_toml
from armoire.io.tables import read_table
from armoire.io.tensors import open_tensors
from armoire.training.loss_weights import parse_loss_weights
from armoire.training.recipe import parse_recipe


def image(content: bytes) -> None:
    """A picture of any kind."""
    with contextlib.suppress(RejectedImageError):
        assert Fit(16)(read_image(BytesIO(content), at_least=16)).shape == (16, 16, 3)


def archive(content: bytes) -> None:
    """A zip of pictures."""
    with _file(content, ".zip") as path, contextlib.suppress(ArmoireError):
        listing = list_source(path)
        for name in listing.names[:20]:
            with contextlib.suppress(RejectedImageError):
                listing.open(name).close()


def tensors(content: bytes) -> None:
    """A safetensors file."""
    with _file(content, ".safetensors") as path, contextlib.suppress(ValueError, OSError):
        open_tensors(path, "armoire-model-1").read()


def table(content: bytes) -> None:
    """A table of armoire's own."""
    with _file(content, ".parquet") as path, contextlib.suppress(ValueError, OSError):
        read_table(path)


def recipe(content: bytes) -> None:
    """A recipe."""
    with contextlib.suppress(ValueError, ArmoireError):
        parse_recipe({"name": "x"} | parse_toml(content.decode("utf-8", "replace")), "x.toml")


def facts(content: bytes) -> None:
    """What a store or a model says of its data."""
    text = content.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        parse_json(text)
    with contextlib.suppress(ValueError, TypeError, KeyError, ArmoireError):
        SetInfo.from_json(text)


def weighting(content: bytes) -> None:
    """A sum of losses, as `armoire beta` takes it."""
    with contextlib.suppress(ArmoireError):
        parse_loss_weights(content.decode("utf-8", "replace"), 16, 1)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (image, archive, tensors, table, recipe, facts, weighting)
}


@contextlib.contextmanager
def _file(content: bytes, suffix: str):
    with tempfile.NamedTemporaryFile(suffix=suffix, dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        file.write(content)
        file.flush()
        yield Path(file.name)
