"""Survey a data set before any training: copies, outliers and groups.

FOLDER/
    index.html    pairs of copies, outliers, and groups with their exemplars
    survey.csv    a row an image, see COLUMNS
    rejected.csv  name and reason of every image that could not be read
    parts/        what is known about each image, until the survey is complete
"""

from __future__ import annotations

import csv
import shutil
from io import StringIO
from pathlib import Path

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.listing import numbered
from armoire.images.source import Request
from armoire.images.sources import open_source, public_source
from armoire.images.survey_file import COLUMNS
from armoire.io.files import make_folder, write_text
from armoire.progress import USUAL, Progress
from armoire.survey.copies import find_copies
from armoire.survey.description import FEATURES, Description, Descriptions
from armoire.survey.features import find_groups, outlier_scores, percentiles, pixel_features
from armoire.survey.page import write_page
from armoire.survey.survey import Survey
from armoire.training.machine import pick_device
from armoire.wardrobe import RunLike, Wardrobe
from armoire.wardrobe.encoding import LatentsOfRun
from armoire.wardrobe.extractors import installed_features
from armoire.wardrobe.sharding import Engine, Work, compute_shards

FORMAT = "armoire-survey-1"
PARTS, CSV, PAGE = "parts", "survey.csv", "index.html"
SHARD_SIZE = 1000  # images; small enough that all cores have work in a folder of ten thousand


def make_survey(
    data: str | Path,
    out: str | Path,
    *,
    run: RunLike | None = None,
    engine: str = "local",
    workers: int | None = None,
    choice: ColumnChoice = FREE,
    progress: Progress = USUAL,
) -> Survey:
    """Find copies, outliers and groups in a data set, and write FOLDER/index.html and FOLDER/survey.csv.

    Args:
        data: what `load_images` takes.
        out: the folder; new, empty, or of an earlier survey. An interrupted survey resumes.
        run: whose latents are the features; by default those of EfficientNet-Lite0 where the extra `measure` is
            installed, else principal components.
        engine: `local`, processes of this machine, or `ray`.
        workers: number of processes; by default one per core, or 4 per GPU.
        choice: which columns of the data to read, where that is not to be guessed.
        progress: where to report.

    Raises:
        ArmoireError: the data cannot be read, hold fewer than two images, or `out` holds something else.
    """
    where = Engine(engine, workers, SHARD_SIZE)
    out = Path(out).expanduser()
    _check(out)
    source = open_source(Request(str(data), choice=choice, progress=progress))
    columns = source.columns  # before all images are decoded: its errors are the user's
    wardrobe = None if run is None else Wardrobe.open(run)
    description, device = _description(wardrobe), pick_device("auto").type
    about = {"format": FORMAT, "features": description.features}
    about |= {"model_sha256": description.run.model_sha256} if description.run else {}
    description.load(pick_device(device))  # what is missing is noticed here, and a graph is exported once
    work = Work(description, source, "survey", about, choice, device)
    computed = compute_shards(work, out / PARTS, where, progress)
    if computed.images < 2:
        raise ArmoireError(f"{data} holds {computed.images} readable images; give at least 2")
    images = Descriptions.read(computed.files)
    splits = [columns.splits[row] for row in images.rows]
    copies = find_copies(images, np.isin(np.array(splits, object), ["valid", "test"]), progress)
    features = pixel_features(images.small) if images.features is None else images.features
    ids = list(numbered(source.ids))
    made = Survey(
        public_source(str(data)),
        source,
        [ids[row] for row in images.rows],
        images.rows,
        splits,
        copies,
        find_groups(features, copies.original),
        percentiles(outlier_scores(features, copies.original)),
        FEATURES[description.features].format(wardrobe and wardrobe.run.name),
        computed.rejected,
    )
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *made.table()])
    make_folder(out)
    write_text(out / CSV, text.getvalue())
    write_text(out / PAGE, write_page(made))
    (computed.folder / "rejected.csv").replace(out / "rejected.csv")
    shutil.rmtree(computed.folder)
    return made


def _description(wardrobe: Wardrobe | None) -> Description:
    if wardrobe is not None:
        return Description("latents", LatentsOfRun.of(wardrobe))
    return Description("efficientnet-lite0" if "efficientnet-lite0" in installed_features() else "components")


def _check(out: Path) -> None:
    """Raise an ArmoireError where a folder holds anything but a survey."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not {CSV, PARTS} & {p.name for p in out.glob("*")}:
        raise ArmoireError(f"{out} exists already and holds no survey; choose a new --out")
