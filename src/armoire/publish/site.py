"""The explorer's site: a page, and under data/ what it shows of a run. docs/site.md has every file and key.

What is ready to be shown is found without torch, so that a run opens at once from the second time on.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError
from armoire.graphs import check_installed, is_installed
from armoire.images import ImageSet
from armoire.io.files import atomic_folder, cache_folder, read_json, sha256, write_bytes
from armoire.progress import SILENT, USUAL, Progress
from armoire.publish.page import CELL, page_folder
from armoire.training.run import Run

FORMAT, VERSION = "armoire-site", 1
MANIFEST = "manifest.json"
FOLDER = "explorer"  # in a run
MADE_OF = ".made-of.json"
LEFT_BY_SYSTEMS = {".DS_Store", "Thumbs.db"}
ABANDONED_SECONDS = 24 * 60 * 60


def export_site(
    run: str | Path | Run, folder: str | Path, progress: Progress = USUAL, images: ImageSet | None = None
) -> None:
    """Write page and data into a folder that any web host can serve; an older export there is replaced as a whole.

    Args:
        run: what to show: a Run, or what `Run.open` takes.
        folder: a new or empty folder, or an older export.
        progress: where to report.
        images: the run's data, where they are at hand.

    Raises:
        ArmoireError: the folder holds something else, or cannot be written; or the page was left out of this install.
    """
    page_folder()
    run = run if isinstance(run, Run) else Run.open(run, progress)
    target = Path(folder).resolve()
    _check_target(target, run)
    with atomic_folder(target) as beside:  # made first: where it cannot be, all else would be in vain
        for name, file in site_files(run, progress, images).items():
            if name != "/":
                copy = beside / name[1:]
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


def site_files(run: Run, progress: Progress = SILENT, images: ImageSet | None = None) -> dict[str, Path]:
    """Every file of the site by the path it is asked for under, `/` among them; arguments as `export_site`."""
    page = page_folder()
    data = site_data(run, progress, images)
    files = {f"/{file.relative_to(page).as_posix()}": file for file in _files(page) if file.parent.name != CELL}
    files |= {f"/data/{file.relative_to(data).as_posix()}": file for file in _files(data)}
    return files | {"/": files["/index.html"]}


def site_data(run: Run, progress: Progress = SILENT, images: ImageSet | None = None) -> Path:
    """The folder with the data of a run's site, made where it is not there, or is of another state of the run.

    It is RUN/explorer, or lies in the cache where the run may only be read. What was made while the run's images were
    gone is made again once they are back.

    Raises:
        ArmoireError: it has to be made, and the extra `explore` is not installed.
    """
    key: dict[str, Any] = run.key() | {"run": run.name, "armoire": metadata.version("armoire"), "version": VERSION}
    if priors := run.priors_sha256():
        key["priors"] = priors
    inside, outside = run.path / FOLDER, cache_folder() / "explorers" / sha256(_json(key))[:32]
    kept = next((folder for folder in (inside, outside) if _is_whole(folder, key)), None)
    # What is up to date needs no extra, even where its thumbnails could be made by now.
    if kept and (_manifest(kept)["sheets"] or not is_installed()):
        return kept
    check_installed("the explorer, which is not up to date in this run,")
    # Only now: torch alone takes seconds to load.
    from armoire.publish.sitedata import images_shown, write_data
    from armoire.wardrobe import Wardrobe

    wardrobe = Wardrobe.open(run.path, images, progress=progress)
    shown = images_shown(wardrobe, progress)
    if kept and shown is None:
        return kept
    folder = inside if os.access(run.path, os.W_OK) else outside
    _sweep(folder)
    with atomic_folder(folder) as beside:
        write_data(wardrobe, beside, shown, progress)
        write_bytes(beside / MADE_OF, _json(key))
    return folder


def _is_whole(folder: Path, key: dict[str, Any]) -> bool:
    """Whether a folder holds the data made of `key`, every file in its full length."""
    try:
        if read_json(folder / MADE_OF) != key:
            return False
        return all((folder / entry["path"]).stat().st_size == entry["bytes"] for entry in _entries(_manifest(folder)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def _manifest(folder: Path) -> dict[str, Any]:
    return read_json(folder / MANIFEST)


def _entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Every file that a manifest names."""
    return [*manifest["files"].values(), *(manifest["sheets"] or {"files": []})["files"]]


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed had begun beside a folder, once it is a day old."""
    for begun in folder.parent.glob(f".{folder.name}.*.part"):
        if time.time() - begun.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(begun, ignore_errors=True)


def _check_target(folder: Path, run: Run) -> None:
    """See to it that nothing but an older export is lost when `folder` is replaced."""
    if folder.is_relative_to((run.path / FOLDER).resolve()):
        raise ArmoireError(f"{folder} is where armoire keeps what it made of the run; choose another folder")
    if folder.exists():
        if Path.cwd().is_relative_to(folder):
            raise ArmoireError(f"{folder} would be replaced, and you are in it; go elsewhere and name it from there")
        try:
            foreign = _foreign(folder)
        except OSError as error:
            raise ArmoireError(f"cannot look into {folder}: {(error.strerror or str(error)).lower()}") from error
        if foreign:
            raise ArmoireError(f"{folder} {foreign}; choose an empty or a new folder")


def _foreign(folder: Path) -> str:
    """What in a folder is no part of an exported explorer, in words; "" where there is nothing of the kind."""
    if not folder.is_dir():
        return "is a file"
    if not (there := _names(folder)):
        return ""
    try:
        manifest = _manifest(folder / "data")
        ours = manifest["format"] == FORMAT
        data = {MANIFEST, *(entry["path"] for entry in _entries(manifest))}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        ours, data = False, set()
    if not ours:
        return "exists and is no exported explorer"
    page = {path.name for path in page_folder().iterdir()} - {CELL}
    others = sorted(there - page - {"data"}) + [f"data/{name}" for name in sorted(_names(folder / "data") - data)]
    return f"holds an exported explorer and also {others[0]}, which would be lost" if others else ""


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - LEFT_BY_SYSTEMS


def _files(folder: Path) -> list[Path]:
    """Every file below a folder that lies there itself: a link in a stranger's run may lead to anything."""
    inside = folder.resolve()
    return [
        file
        for file in sorted(folder.rglob("*"))
        if not file.name.startswith(".")
        and file.is_file()
        and Path(os.path.realpath(file)) == inside / file.relative_to(folder)
    ]


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
