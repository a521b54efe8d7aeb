"""Data sets of the Hugging Face Hub, downloaded once per commit."""

from __future__ import annotations

from armoire.hub.data import fetch_data
from armoire.hub.reference import parse_reference
from armoire.images.source import Request, Source, SourceKind
from armoire.images.sources import open_path


def _open(request: Request) -> Source:
    reference = parse_reference(request.source, config=True)
    assert reference is not None
    folder, commit = fetch_data(reference, request.progress)
    return open_path(request, folder, str(commit))


HUB = SourceKind("hf:OWNER/NAME", _open, named=True, needs_argument=True)
