"""A folder or zip of pictures: labels and splits from where they lie, and from tables beside them."""

from __future__ import annotations

from collections.abc import Callable

from armoire.images.listing import FileListing, splits_and_labels
from armoire.images.sidecar import read_beside
from armoire.images.sources.source import Source
from armoire.images.store import opened


def read_pictures(listing: FileListing, note: Callable[[str], None]) -> Source:
    """The pictures of a folder or zip, of which there is at least one.

    Args:
        listing: the files.
        note: told of tables that are of no use.
    """
    known, files = read_beside(listing, note)
    known = known.where_silent(*splits_and_labels(listing.names))
    return Source(listing.names, opened(listing.names, listing.open), known, files, len(listing.beside) - len(files))
