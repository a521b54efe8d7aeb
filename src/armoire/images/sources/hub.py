"""Data sets of the Hugging Face Hub, downloaded once per commit."""

from __future__ import annotations

from armoire.hub.data import fetch_data, parse_data
from armoire.images.imageset import ImageSet
from armoire.images.sources import load_path
from armoire.images.sources.source import Request, SourceKind


def _load(request: Request) -> ImageSet:
    reference = parse_data(request.source)
    assert reference is not None
    folder, commit = fetch_data(reference, request.progress)
    return load_path(request, folder, str(commit))


HUB = SourceKind("hf:OWNER/NAME", _load, named=True, needs_argument=True)
