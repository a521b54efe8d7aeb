"""A folder or zip of image files: labels and splits from folder names and from tables next to the images."""

from __future__ import annotations

from armoire.images.columns import splits_and_labels
from armoire.images.listing import FileListing
from armoire.images.sidecar import digest_with_tables, read_sidecars
from armoire.images.sources.source import Request, Source, SourceKind, packed
from armoire.images.store import read_files


def _read(request: Request, listing: FileListing) -> Source:
    columns, tables = read_sidecars(listing, request.progress.note)
    columns = columns.fill_missing(*splits_and_labels(listing.names))
    ignored = len(listing.sidecars) - len(tables)
    return Source(listing.names, read_files(listing.names, listing.open), columns, tables, ignored)


FOLDER = SourceKind("a folder or zip of images", packed(_read, digest_with_tables))
