"""Drawn data sets, each with the truth of what is in it, and what a reading of one got wrong."""

from __future__ import annotations

import csv
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.images import ImageSet

SIDE = 16
ENDINGS = dict.fromkeys(("jpg", "jpeg", "jfif"), "JPEG") | dict.fromkeys(("tif", "tiff"), "TIFF")
TOLERANCE = 4  # mean absolute difference: JPEG's losses, not another image


@dataclass(frozen=True)
class Row:
    """What a data set says about one of its images; None where it says nothing."""

    split: str | None = None
    label: str | None = None
    attributes: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """Files, and what they say.

    Attributes:
        files: the content of each.
        truth: by the number of each image.
        spare: numbers of images that may be used, without class and not held out, or left out.
        judged: which of splits and labels are compared.
        names: path of each image, in which its id must end.
        optional: names of attributes that may be found or left out.
        two_levels: the pictures are of 0 and 255 alone.
        choice: a field of the ColumnChoice with which it is read right, where it may not be without one.
        top: path, below the folder that the files are written to, that is read.
    """

    files: Mapping[str, bytes]
    truth: Mapping[int, Row]
    spare: frozenset[int] = frozenset()
    judged: frozenset[str] = frozenset({"split", "label"})
    names: Mapping[int, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    two_levels: bool = False
    choice: Mapping[str, Any] = field(default_factory=dict)
    top: str = ""

    def in_zip(self) -> DataSet:
        """The same, with all files in one zip."""
        return replace(self, files={"data.zip": zipped(self.files)}, top="data.zip")

    def write(self, folder: Path) -> Path:
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / self.top


def picture(number: int, channels: int = 3, two_levels: bool = False) -> np.ndarray:
    """Blocks of 8 and 4 pixels, other ones for each number: uint8 (16, 16, channels)."""
    random = np.random.default_rng(number)
    if two_levels:
        return random.integers(0, 2, (4, 4, channels), np.uint8).repeat(4, 0).repeat(4, 1) * 255
    coarse, fine = random.integers(40, 216, (2, 2, channels)), random.integers(-40, 41, (4, 4, channels))
    return (coarse.repeat(8, 0).repeat(8, 1) + fine.repeat(4, 0).repeat(4, 1)).astype(np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> BytesIO:
    """An image as an open file."""
    file = BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def encoded(number: int, ending: str = "png", mode: str = "RGB") -> bytes:
    """One picture as a file: JPEG or TIFF where the name's ending says so, else PNG.

    `mode` is RGB, RGBA (opaque), L, or 16, grey of so many bits.
    """
    kind = ENDINGS.get(ending.lower().lstrip("."), "PNG")
    grey = picture(number, 1)[..., 0]
    images = {
        "RGB": lambda: Image.fromarray(picture(number)),
        "RGBA": lambda: Image.fromarray(picture(number)).convert("RGBA"),
        "L": lambda: Image.fromarray(grey),
        "16": lambda: Image.fromarray(grey.astype(np.uint16) * 257),
    }
    options = {"JPEG": {"quality": 95, "subsampling": 0}}
    return saved(images[mode](), kind, **options.get(kind, {})).getvalue()


class Notes:
    """A Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def task(self, *_: object, **__: object) -> AbstractContextManager[Notes]:
        return nullcontext(self)

    def advance(self, *_: object, **__: object) -> None:
        pass

    def note(self, text: str) -> None:
        self.said.append(text)


@dataclass(frozen=True)
class Reading:
    """What became of a data set: its images, or the sentence of refusal; and the notes."""

    images: ImageSet | None
    said: Sequence[str]
    refusal: str = ""


def read(path: Path, choice: Mapping[str, Any] | None = None) -> Reading:
    """Read a data set; anything but an ArmoireError is a bug, and raised."""
    notes, more = Notes(), {}
    if choice:
        from armoire.images.columns import ColumnChoice

        more = {"choice": ColumnChoice(**choice)}
    try:
        return Reading(load_images(path, SIDE, progress=notes, **more), notes.said)
    except ArmoireError as error:
        return Reading(None, notes.said, str(error))


def differences(images: ImageSet, data: DataSet) -> dict[str, str]:
    """What differs from the truth: a kind of difference, and an example of it."""
    rows, found = _numbers(images, data), {}
    seen = {number for number in rows if number is not None}
    for number in sorted(data.truth.keys() - data.spare - seen)[:1]:
        found["image lost"] = f"picture {number} of {len(data.truth)}"
    if len(seen) < sum(number is not None for number in rows):
        found["image twice"] = ", ".join(images.ids)
    named = {name for row in data.truth.values() for name in row.attributes}
    for name in sorted((named ^ set(images.attributes)) - data.optional):
        found[f"attribute {'invented' if name in images.attributes else 'lost'}"] = name
    values = {name: images.attribute(name) for name in images.attributes}
    for i, number in enumerate(rows):
        if number is None:
            found["image invented"] = images.ids[i]
            continue
        truth, name = data.truth.get(number, Row()), data.names.get(number, images.ids[i])
        if not normalize("NFC", name).endswith(normalize("NFC", images.ids[i])):
            found["id wrong"] = f"{images.ids[i]} is {name}"
        label = images.info.classes[images.labels[i]] if images.labels[i] >= 0 else None
        found |= _difference("label", images.ids[i], label, truth.label) if "label" in data.judged else {}
        if "split" in data.judged and (truth.split or number in data.spare):
            split = "train" if number in data.spare else truth.split
            found |= _difference("split", images.ids[i], str(images.split_of[i]), split)
        for name in truth.attributes.keys() & values.keys():
            value = {1: True, -1: False, 0: None}[int(values[name][i])]
            found |= _difference("attribute", f"{name} of {images.ids[i]}", value, truth.attributes[name])
    return found


def _difference(what: str, where: str, value: object, truth: object) -> dict[str, str]:
    if value == truth:
        return {}
    kind = "lost" if value is None else "invented" if truth is None else "wrong"
    return {f"{what} {kind}": f"{where} is {value!r}, should be {truth!r}"}


def _numbers(images: ImageSet, data: DataSet) -> list[int | None]:
    """The picture that each image shows; None for one that shows none of the data set's."""
    known = sorted(data.truth)
    pixels = np.stack([picture(n, images.shape[2], data.two_levels) for n in known]).astype(float)
    numbers: list[int | None] = []
    for image in images.images:
        distances = np.abs(pixels - image.astype(float)).mean((1, 2, 3))
        numbers.append(known[int(distances.argmin())] if distances.min() < TOLERANCE else None)
    return numbers


# What a note must say for a difference not to be silent: a value that is not there is missed by reading on, one that is
# there and wrong is found only by whoever is told how to override it.
LOST = r"|is ignored|is left out|not used|names? no image|encod"
ANNOUNCED = {
    "image lost": r"could not be read|excluded|left out|ignored|damaged|same name|more than once|--image-column",
    "image invented": "--image-column",
    "label": "differ in|disagree|--label-column|--label-pattern|--name-column",
    "split": "--split-column|--name-column" + LOST,  # what states none is divided at random
    "attribute": "differ in|disagree|--attributes|--name-column",
}


def rejected(store: Path) -> dict[str, str]:
    """The reason why each image of a store was rejected."""
    with (store / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row["reason"] for row in csv.DictReader(file)}


def announces(kind: str, said: str) -> bool:
    """Whether the notes announce a kind of difference."""
    what, how = kind.split()
    words = ANNOUNCED.get(kind) or ANNOUNCED.get(what, "never")
    return bool(re.search(words + (LOST if how == "lost" else ""), said))


def silent(faults: Mapping[str, str], said: Sequence[str]) -> dict[str, str]:
    """The differences that no note announces."""
    return {kind: text for kind, text in faults.items() if not announces(kind, "\n".join(said))}


def zipped(files: Mapping[str, bytes], separator: str = "/") -> bytes:
    """A zip whose names are exactly those given, with another separator between folders where one is given."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", separator)
            archive.writestr(info, content)
    return file.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return file.getvalue()
