"""A page that shows how a data set was read: the images, their labels, and what became of every file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from armoire.html_repr import Picture, Table, counted, html_page, html_repr
from armoire.images.grid import image_grid, png, to_pil
from armoire.images.imageset import ImageSet
from armoire.io.files import atomic_folder, write_text

SAMPLES, SHEET, MOST = 20, 100, 200  # images with their labels, images of the contact sheet, rows of a table


def write_reading(images: ImageSet, folder: Path, seed: int = 0) -> Path:
    """Write FOLDER/index.html with a contact sheet, counts and images with their labels, and the files of `Reading`.

    The folder is new, or written by this function before; `seed` draws the images that are shown.
    """
    with atomic_folder(folder) as temporary:
        images.reading.write(temporary)
        title = f"{images.info.name}: {len(images):,} images"
        body = html_repr(title, _subtitle(images), _tables(images), _pictures(images, seed))
        write_text(temporary / "index.html", html_page(title, body))
    return folder / "index.html"


def _subtitle(images: ImageSet) -> str:
    height, width, channels = images.shape
    return f"{height} x {width}, {'grey' if channels == 1 else 'colour'}; {counted(images.splits)}"


def _tables(images: ImageSet) -> list[Table]:
    reading, described = images.reading, images.describe()
    counts = [(name, f"{described[name]:,}") for name in ("found", "used", "rejected", "ignored")]
    roles = [(role.column, role.role, role.example, role.reason or role.table) for role in reading.roles]
    left_out = [(item.name, item.reason) for item in (*reading.rejected, *reading.ignored)]
    tables = [
        Table(counts, "Files"),
        Table(roles, "Columns", ("column", "read as", "for example", "from, or why not")),
        Table([(note,) for note in reading.notes], "Guesses"),
        Table([(name, f"{n:,}") for name, n in described["labels"].items()][:MOST], "Classes"),
        Table(
            [
                (name, f"{n['positive']:,} yes, {n['negative']:,} no, {n['missing']:,} unknown")
                for name, n in described["attributes"].items()
            ][:MOST],
            "Attributes",
        ),
        Table(left_out[:MOST], f"Left out ({len(left_out):,})", words=True),
    ]
    return [table for table in tables if table.rows]


def _pictures(images: ImageSet, seed: int) -> list[Picture]:
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(images))[:SHEET])
    sheet = Picture(png(image_grid(images.images[chosen], 10), 1), f"{len(chosen)} images, drawn at random")
    few = np.sort(random.permutation(len(images))[:SAMPLES])
    return [sheet, *(Picture(_png(images.images[i]), _caption(images, i)) for i in few.tolist())]


def _caption(images: ImageSet, row: int) -> str:
    label = images.labels[row]
    words = [images.info.classes[label]] if label >= 0 else []
    words += [name for name in images.attributes if images.attribute(name)[row] == 1]
    return f"{images.ids[row]} ({images.split_of[row]}): {', '.join(words) or 'no label'}"


def _png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    to_pil(pixels).resize((96, 96)).save(file, "PNG")
    return file.getvalue()
