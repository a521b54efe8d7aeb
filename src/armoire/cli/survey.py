from __future__ import annotations

from pathlib import Path
from typing import Literal

from armoire.cli.arguments import ColumnFlags, Data, Json, RunPath, Whole, column_choice
from armoire.cli.output import print_json, print_table
from armoire.console import terminal_progress


def survey(
    data: Data,
    /,
    *,
    out: Path,
    columns: ColumnFlags | None = None,
    run: RunPath | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: Whole | None = None,
    json: Json = False,
) -> None:
    """Find near-duplicates, outliers and groups in a data set, before any training.

    Args:
        out: folder for a page, index.html, and survey.csv, whose duplicates `armoire train --without` leaves out; an
            interrupted survey continues.
        run: folder of a run, whose latents are compared for outliers and groups; by default the features of
            EfficientNet-Lite0, where armoire[measure] is installed, else principal components.
        engine: local (all cores of this machine) or ray (Ray Data: the cluster of RAY_ADDRESS, or this machine).
        workers: number of processes; by default one per core, or 4 per GPU.
    """
    from armoire.survey import make_survey

    progress = terminal_progress()
    made = make_survey(
        data, out, run=run, engine=engine, workers=workers, choice=column_choice(columns), progress=progress
    )
    found = made.summary()
    if json:
        print_json(found | {"page": str(out / "index.html"), "table": str(out / "survey.csv")})
        return
    duplicates = found["duplicates"]
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in duplicates.items() if kind != "images" and n)
    across = f"; {found['across_splits']:,} in another split than their original" if found["across_splits"] else ""
    print_table(
        [
            ("images", f"{found['images']:,}" + (f"; {made.rejected:,} could not be read" if made.rejected else "")),
            ("duplicates", f"{duplicates['images']:,}" + (f" ({kinds})" if kinds else "") + across),
            ("groups", ", ".join(f"{group['images']:,}" for group in found["groups"])),
            ("features", found["features"]),
        ]
    )
    print(out / "index.html")
    print(out / "survey.csv")
