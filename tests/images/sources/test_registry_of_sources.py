"""Kinds of data that another package registers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armoire import ArmoireError, load_images
from armoire.images import from_array
from armoire.images.columns import Columns
from armoire.images.sources import KINDS, public_source, source_path, usage
from armoire.images.sources.source import Source, SourceKind, packed


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(KINDS, "_registered", dict(KINDS._registered))
    return KINDS.register


def test_a_named_kind(registered):
    def load(request):
        images = from_array(np.full((20, 16, 16), int(request.argument), np.uint8), name="flat")
        return dataclasses.replace(images, info=dataclasses.replace(images.info, source=request.source))

    registered("flat", SourceKind("flat:GREY", load, named=True, needs_argument=True))
    images = load_images("flat:7")
    assert (images.info.source, int(images.images.max())) == ("flat:7", 7)
    assert source_path("flat:7") is None
    assert public_source("flat:7") == "flat:7"
    assert "flat:GREY" in usage()
    for wrong in ("flat", "flst:7", "/no/such/folder"):
        with pytest.raises(ArmoireError, match="flat"):
            load_images(wrong)


def test_a_kind_of_file_goes_before_those_of_armoire(registered, tmp_path: Path):
    def read(request, listing):
        def open_one(name, fit):
            with listing.open(name) as file:
                return fit(Image.new("L", (16, 16), int(file.read())))

        decoders = [lambda fit, name=name: open_one(name, fit) for name in listing.names]
        n = len(decoders)
        return Source(listing.names, lambda start: decoders[start:], Columns([None] * n, [None] * n))

    registered("number", SourceKind("a folder of .number files", packed(read), lambda _, names: names[0].endswith("r")))
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
