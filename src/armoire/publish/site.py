"""The explorer's site: a page, and under data/ the data of a run. docs/site.md describes every file and key.

Data that are up to date are found without importing torch, so that a run opens at once the second time.
"""

from __future__ import annotations

import os
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.io.artifacts import DAMAGED
from armoire.io.files import atomic_folder, read_json
from armoire.onnx_graphs import check_installed, is_installed
from armoire.progress import SILENT, USUAL, Progress
from armoire.publish.page import CELL, FORMAT, MANIFEST, VERSION, page_folder
from armoire.training.run import Run

FOLDER = "explorer"  # in a run
LEFT_BY_SYSTEMS = {".DS_Store", "Thumbs.db"}


def export_site(
    run: str | Path | Run, folder: str | Path, *, images: ImageSet | None = None, progress: Progress = USUAL
) -> None:
    """Write page and data into a folder that any web host can serve, replacing an older export there.

    Args:
        run: a Run, or what `Run.open` takes.
        folder: a new or empty folder, or an older export.
        images: the run's data, if loaded.
        progress: where to report.

    Raises:
        ArmoireError: the folder holds something else, or cannot be written; or this install has no page.
    """
    page_folder()
    run = run if isinstance(run, Run) else Run.open(run, progress)
    target = Path(folder).resolve()
    _check_target(target, run)
    with atomic_folder(target) as partial:  # first, so that an unwritable folder is reported before the long work
        for name, file in site_files(run, progress, images).items():
            if name != "/":
                copy = partial / name[1:]
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


def site_files(run: Run, progress: Progress = SILENT, images: ImageSet | None = None) -> dict[str, Path]:
    """Every file of the site by its URL path, `/` among them; arguments as of `export_site`."""
    page = page_folder()
    data = site_data(run, progress, images)
    files = {f"/{file.relative_to(page).as_posix()}": file for file in _files(page) if file.parent.name != CELL}
    files |= {f"/data/{file.relative_to(data).as_posix()}": file for file in _files(data)}
    return files | {"/": files["/index.html"]}


def site_data(run: Run, progress: Progress = SILENT, images: ImageSet | None = None) -> Path:
    """The folder with the data of a run's site, written if it is missing or out of date.

    It is RUN/explorer, or in the cache where the run is read-only. Data written without the run's images are written
    again once these are available.

    Raises:
        ArmoireError: it has to be written, and the extra `explore` is not installed.
    """
    settings = {"run": run.name, "armoire": metadata.version("armoire"), "priors": run.priors_sha256()}
    version = f"{FORMAT}-{VERSION}"
    cached, has_thumbnails = run.artifacts.find_folder(FOLDER, version, settings=settings), False
    try:
        has_thumbnails = cached is not None and bool(_manifest(cached)["sheets"])
    except DAMAGED:
        cached = None
    # What is up to date needs no extra, even if its thumbnails could be made by now.
    if cached and (has_thumbnails or not is_installed()):
        return cached
    check_installed("the explorer, which is not up to date in this run,")
    # Only now: torch alone takes seconds to load.
    from armoire.publish.sitedata import load_images, write_data
    from armoire.wardrobe import Wardrobe

    wardrobe = Wardrobe.open(run.path, images, progress=progress)
    found = load_images(wardrobe, progress)
    if cached and found is None:
        return cached
    return run.artifacts.make_folder(
        FOLDER, version, lambda folder: write_data(wardrobe, folder, found, progress), settings=settings
    )


def _manifest(folder: Path) -> dict[str, Any]:
    return read_json(folder / MANIFEST)


def _check_target(folder: Path, run: Run) -> None:
    """Raise an ArmoireError unless `folder` is new, empty or an older export."""
    if folder.is_relative_to((run.path / FOLDER).resolve()):
        raise ArmoireError(f"{folder} is where armoire stores the explorer of the run; choose another folder")
    if folder.exists():
        if Path.cwd().is_relative_to(folder):
            raise ArmoireError(f"{folder} would be replaced, and is the current folder; change to another one first")
        try:
            foreign = _foreign(folder)
        except OSError as error:
            raise ArmoireError(f"cannot look into {folder}: {(error.strerror or str(error)).lower()}") from error
        if foreign:
            raise ArmoireError(f"{folder} {foreign}; choose an empty or a new folder")


def _foreign(folder: Path) -> str:
    """What a folder holds besides an exported explorer, in words; "" if nothing."""
    if not folder.is_dir():
        return "is a file"
    if not (there := _names(folder)):
        return ""
    try:
        manifest = _manifest(folder / "data")
        ours = manifest["format"] == FORMAT
        entries = [*manifest["files"].values(), *(manifest["sheets"] or {"files": []})["files"]]
        data = {MANIFEST, *(entry["path"] for entry in entries)}
    except DAMAGED:
        ours, data = False, set()
    if not ours:
        return "exists and is no exported explorer"
    page = {path.name for path in page_folder().iterdir()} - {CELL}
    others = sorted(there - page - {"data"}) + [f"data/{name}" for name in sorted(_names(folder / "data") - data)]
    return f"holds an exported explorer and also {others[0]}, which would be lost" if others else ""


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - LEFT_BY_SYSTEMS


def _files(folder: Path) -> list[Path]:
    """Every file below a folder, without links: in an untrusted run they may lead anywhere."""
    inside = folder.resolve()
    return [
        file
        for file in sorted(folder.rglob("*"))
        if not file.name.startswith(".")
        and file.is_file()
        and Path(os.path.realpath(file)) == inside / file.relative_to(folder)
    ]
