"""Kinds of data that another package registers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armoire import ArmoireError, load_images
from armoire.images.fit import Fit
from armoire.images.source import Source, SourceKind
from armoire.images.sources import KINDS, public_source, source_path, usage


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(KINDS, "_registered", dict(KINDS._registered))
    return KINDS.register


class Flat(Source):
    """Images of one grey each."""

    def __init__(self, origin: str, greys: list[int]) -> None:
        self.name, self.origin, self.digest, self.greys = "flat", origin, repr(greys), greys

    def list_ids(self):
        return [f"{i}.flat" for i in range(len(self.greys))]

    def read(self, start: int, stop: int):
        return (partial(flat, grey) for grey in self.greys[start:stop])

    def part(self, start: int, stop: int):
        return Flat(self.origin, self.greys[start:stop])


def flat(grey: int, fit: Fit) -> np.ndarray:
    return fit(Image.new("L", (16, 16), grey))


def test_a_named_kind(registered):
    def open_flat(request):
        return Flat(request.source, [int(request.argument)] * 20)

    registered("flat", SourceKind("flat:GREY", open_flat, named=True, needs_argument=True))
    images = load_images("flat:7")
    assert (images.info.source, int(images.images.max())) == ("flat:7", 7)
    assert source_path("flat:7") is None
    assert public_source("flat:7") == "flat:7"
    assert "flat:GREY" in usage()
    for wrong in ("flat", "flst:7", "/no/such/folder"):
        with pytest.raises(ArmoireError, match="flat"):
            load_images(wrong)


def test_a_kind_of_file_is_tried_before_the_built_in_ones(registered, tmp_path: Path):
    def open_numbers(request):
        return Flat(request.source, [int((request.path / name).read_text()) for name in request.files.names])

    def recognizes(_path, listing):
        return listing.names[0].endswith(".number")

    registered("number", SourceKind("a folder of .number files", open_numbers, recognizes))
    for i in range(20):
        (tmp_path / f"{i}.number").write_text(str(i))
    images = load_images(tmp_path, 16)
    assert sorted(images.images[:, 0, 0, 0].tolist()) == list(range(20))


def test_every_kind_says_how_it_is_given():
    for part in ("fashion-mnist", "drawn-faces", "celeba:PATH", "hf:OWNER/NAME", "a folder or zip of images", ".npz"):
        assert part in usage()
    with pytest.raises(ArmoireError, match="did you mean 'drawn-faces'"):
        load_images("drawn-face")
    with pytest.raises(ArmoireError, match="give celeba:PATH"):
        load_images("celeba")
