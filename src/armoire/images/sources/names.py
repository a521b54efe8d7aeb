"""What a data set's source says of this machine: where it lies, and what of that others may see."""

from __future__ import annotations

from pathlib import Path, PurePath

from armoire.images import HUB
from armoire.images.sources import celeba, drawn_faces, fashion_mnist


def place_of(source: str) -> Path | None:
    """The path that a source, as `load_images` takes it, names; None for a data set known by its name alone."""
    name, _, rest = source.partition(":")
    if name in (HUB, drawn_faces.NAME) or source == fashion_mnist.NAME:
        return None
    return Path(rest if rest and name in (fashion_mnist.NAME, celeba.NAME) else source)


def public_source(source: str) -> str:
    """A source without the folders of this machine: the last part of a path; of `celeba:/a/b.zip`, `celeba:b.zip`."""
    place = place_of(source)
    if place is None:
        return source
    name = source.partition(":")[0]
    if name == fashion_mnist.NAME:
        return name
    return f"{celeba.NAME}:{PurePath(place).name}" if source == f"{celeba.NAME}:{place}" else PurePath(place).name
