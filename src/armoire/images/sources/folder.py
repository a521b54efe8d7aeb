"""Image files in a folder, zip or tar: labels and splits from folder names and from tables next to the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from armoire.errors import ArmoireError
from armoire.images.archives import ZipListing, list_zips
from armoire.images.columns import Columns
from armoire.images.layout import find_masks, read_layout, suggest_pattern
from armoire.images.listing import FileListing, has_image_ending
from armoire.images.sidecar import digest_with_tables, read_sidecars
from armoire.images.source import FileSource, Request, Source, SourceKind

OTHER_DATA = (".parquet", ".arrow", ".feather", ".npy", ".npz", ".zip", ".tar", ".h5", ".hdf5")


class FolderSource(FileSource):
    """Image files, whose folders and tables next to them tell splits, classes and attributes."""

    def __init__(self, request: Request, listing: FileListing, paths: Sequence[str] = ()) -> None:
        """`paths` have the folders that name the images' splits and classes; by default they are the images' names."""
        masks = find_masks(listing.names)
        others = [name for name in listing.names if name.lower().endswith(OTHER_DATA)]
        reasons = dict.fromkeys(
            others if len(others) < len(listing.names) else (), "other data; give its path to read it"
        )
        listing = listing.without(masks | reasons)
        super().__init__(request.name, request.source, listing, listing.names, digest_with_tables(listing))
        self.notes: Sequence[str] = ()
        self.choice, self.paths = request.choice, listing.names if masks or reasons or not paths else paths

    def describe(self) -> Columns:
        notes = list(self.notes)
        columns, tables = read_sidecars(self.listing, notes.append, self.choice)
        columns = replace(columns, tables=tables, notes=(*columns.notes, *notes))
        columns = columns.fill_missing(read_layout(self.paths, self.choice))
        if not any(columns.labels) and not self.choice.label_pattern and (advice := suggest_pattern(self.paths)):
            return replace(columns, notes=(*columns.notes, advice))
        return columns


def _open(request: Request) -> Source:
    listing = request.files
    zips = [name for name in listing.names if name.lower().endswith(".zip")]
    if zips and isinstance(listing, ZipListing) and not any(map(has_image_ending, listing.names)):
        raise ArmoireError(f"{request.source} holds no images but archives, such as {zips[0]}; unpack it")
    if zips and len(zips) == len(listing.names):
        listing = list_zips(listing.path, listing.names)
    source = FolderSource(request, listing)
    if 1 < len(zips) == len(request.files.names):
        source.notes = [f"{len(zips)} zips, such as {zips[0]}, are read as folders of their names"]
    return source


FOLDER = SourceKind("a folder or zip of images", _open)
