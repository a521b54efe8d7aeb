"""A folder or zip of pictures: labels and splits from where they lie, and from tables beside them."""

from __future__ import annotations

from collections.abc import Callable

from armoire.images.beside import read_beside
from armoire.images.folder import Listing, splits_and_labels
from armoire.images.records import Records
from armoire.images.store import opened


def read_pictures(listing: Listing, note: Callable[[str], None]) -> Records:
    """The pictures of a folder or zip, of which there is at least one.

    Args:
        listing: the files.
        note: told of tables that are of no use.
    """
    known, files = read_beside(listing, note)
    known = known.where_silent(*splits_and_labels(listing.names))
    return Records(listing.names, opened(listing.names, listing.open), known, files, len(listing.beside) - len(files))
