from __future__ import annotations

from armoire.cli.arguments import ColumnFlags, Data, HowMany, Json, PngPath, RunPath, column_choice
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import print_json, print_table
from armoire.errors import ArmoireError


def outliers(
    run: RunPath,
    data: Data,
    /,
    *,
    columns: ColumnFlags | None = None,
    split: str | None = None,
    number: HowMany = 10,
    out: PngPath | None = None,
    json: Json = False,
) -> None:
    """Find the images that are unusual compared with those a run was trained on, such as products with a defect.

    Args:
        split: of the images: train, valid or test; by default all of them, or the held-out one of the training data.
        out: FILE.png: the least usual, with their reconstructions and heat maps of their errors; by default none.
    """
    from armoire.wardrobe.outliers import ROW

    wardrobe = open_wardrobe(run)
    if (calibration := wardrobe.calibration) is None:
        raise ArmoireError(f"what is usual for {run} is measured on its data, which are not here")
    images = wardrobe.load(data, choice=column_choice(columns))
    if images.info.fingerprint == wardrobe.run.data.fingerprint:
        split = split or images.held_out
    part = images.split(split) if split else images
    found = wardrobe.outliers(part.images)
    wardrobe.progress.note(calibration.statement)
    if out:
        from armoire.figures.outliers import outlier_sheet
        from armoire.figures.style import png, style
        from armoire.io.files import write_bytes

        with style():
            sheet = outlier_sheet(wardrobe, part.images, found, f"{len(part):,} images of {images.info.name}")
            write_bytes(out, png(sheet))
    rows = [{"id": name, **row} for name, row in zip(part.ids, found.rows(), strict=True)]
    if json:
        print_json({"calibration": calibration.to_dict(), "outliers": int(found.is_outlier.sum()), "images": rows})
        return
    print(f"{found.is_outlier.sum():,} of {len(found):,} images are outliers")
    cells = []
    for row in (rows[k] for k in found.order[:number]):
        percentiles = (f"{row[name]:.1f} %" for name in ROW[1:])
        cells.append((str(row["id"]), "outlier" if row["outlier"] else "-", *percentiles))
    print_table([("id", "verdict", "less usual than", "error percentile", "density percentile"), *cells])
