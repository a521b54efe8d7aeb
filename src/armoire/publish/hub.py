"""Uploads a run and its card to the Hugging Face Hub, in one commit."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.figures import FIGURES, described, save
from armoire.hub.parts import CARD, MODEL, PARTS, is_ours
from armoire.hub.parts import FIGURES as FOLDER
from armoire.hub.upload import Upload, check_token, repository_of, upload
from armoire.images.sources import source_path
from armoire.images.sources.drawn_faces import NAME as DRAWN
from armoire.images.sources.fashion_mnist import NAME as FASHION
from armoire.measure import Evaluation, evaluate, last_epoch, stored_evaluation
from armoire.priors import stored_kinds
from armoire.progress import SILENT, USUAL, Progress
from armoire.publish.card import make_card
from armoire.wardrobe import RunLike, Wardrobe
from armoire.wardrobe.sampling import warning_of
from armoire.wardrobe.training import finish


def push(
    wardrobe: RunLike,
    repository: str,
    *,
    private: bool | None = None,
    licence: str | None = None,
    figures: bool = True,
    keep_paths: bool = False,
    progress: Progress = USUAL,
) -> Upload:
    """Upload a run to a repository of the Hub, and remove what an earlier push left there.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        repository: OWNER/NAME, created if there is none.
        private: whether a new repository is private; by default the Hub decides.
        licence: of the weights, as the Hub spells it (`apache-2.0`).
        figures: whether the card shows RUN/figures; never those of data that may not be shown.
        keep_paths: whether model.safetensors and recipe.toml name the data by their whole path; else by its last part.
        progress: where to report.

    Raises:
        ArmoireError: no token, no right, no network, or a public repository where a private one was asked for.
    """
    reference = repository_of(repository)
    check_token()  # before the work
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    with contextlib.suppress(ArmoireError):  # data that are missing
        finish(wardrobe)
    evaluation = measured(wardrobe, progress)
    pictures = _pictures(wardrobe, progress) if figures and wardrobe.run.is_showable else []
    files: dict[str, Path | bytes] = {**run_files(wardrobe)}
    if not keep_paths:
        files[MODEL] = wardrobe.run.public_model()
        if (public := wardrobe.run.public_recipe()) != wardrobe.recipe:
            files["recipe.toml"] = public.to_toml(comments=True).encode()
    files |= {f"{FOLDER}/{path.name}": path for path in pictures}
    files[CARD] = make_card(wardrobe, reference, evaluation, pictures, licence).encode()
    _warn(wardrobe, pictures, keep_paths, progress)
    total = sum(len(file) if isinstance(file, bytes) else file.stat().st_size for file in files.values())
    with progress.task(f"sending {reference}", total, "bytes") as task:
        sent = upload(reference, files, f"{wardrobe.recipe.name}, by armoire push", private=private, replaces=is_ours)
        task.advance(total)
    return sent


def run_files(wardrobe: Wardrobe) -> dict[str, Path]:
    """The files of a run to upload, by name; ArmoireError where one is too large to be downloaded."""
    stale = {f"priors/{kind}.safetensors" for kind in stored_kinds()}
    stale -= {f"priors/{kind}.safetensors" for kind in wardrobe.priors}
    found = {name: wardrobe.run.path / name for name in PARTS if name not in stale}
    found = {name: path for name, path in found.items() if path.is_file() and not path.is_symlink()}
    for name, path in found.items():
        if (size := path.stat().st_size) > PARTS[name]:
            raise ArmoireError(f"{path} has {size:,} bytes, and {PARTS[name]:,} at most are downloaded")
    return found


def measured(wardrobe: Wardrobe, progress: Progress = SILENT) -> Evaluation:
    """The stored evaluation of a run, else a new one without samples and edits, else the last epoch's numbers."""
    if (stored := stored_evaluation(wardrobe.run)) is not None:
        return stored
    try:
        found = evaluate(wardrobe, progress=progress, skip=("samples", "editing"))
    except ArmoireError as error:
        progress.note(f"the card has the numbers of the training alone: {error}")
        return last_epoch(wardrobe.run)
    progress.note(f"measured quickly; `armoire evaluate {wardrobe.run} --samples 10000` first says more of samples")
    return found


def _pictures(wardrobe: Wardrobe, progress: Progress) -> list[Path]:
    """The figures in RUN/figures in the order of the report; samples alone where none was drawn yet."""
    there = {path.stem: path for path in sorted((wardrobe.run.path / FOLDER).glob("*.png")) if not path.is_symlink()}
    if names := dict.fromkeys(name for name in (*FIGURES, *there) if name in there and described(name)):
        return [there[name] for name in names]
    with contextlib.suppress(ArmoireError):
        return save(wardrobe, ["samples"], progress)
    return []


def _warn(wardrobe: Wardrobe, pictures: Sequence[Path], keep_paths: bool, progress: Progress) -> None:
    """Report what becomes public that the owner may overlook."""
    data = wardrobe.run.data
    if pictures and data.name != FASHION and not data.name.startswith(DRAWN):
        progress.note(f"the card shows {len(pictures)} pictures of {data.name}: check that you may share them")
    if (wardrobe.run.path / "latents.parquet").is_file():
        progress.note(f"latents.parquet holds names, labels, attributes and latents of {data.name}'s images")
    if warning := warning_of(wardrobe.priors):
        progress.note(warning)
    if keep_paths and source_path(data.source):
        progress.note(f"{MODEL} and recipe.toml hold the path of the data: {data.source}")
