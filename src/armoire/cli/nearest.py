from __future__ import annotations

from typing import Any

from armoire.cli.arguments import HowMany, ImagePath, Json, RunPath
from armoire.cli.inputs import note_outliers, open_wardrobe
from armoire.cli.output import print_json, print_table


def nearest(run: RunPath, image: ImagePath, /, *, number: HowMany = 6, json: Json = False) -> None:
    """Find the images of a run's data set that are nearest to an image in the latent space."""
    from armoire.wardrobe.outliers import ROW

    wardrobe = open_wardrobe(run)
    original = wardrobe.preprocess([image])
    found = wardrobe.nearest(wardrobe.encode(original), k=number)
    described = wardrobe.latents.describe(found.rows[0], wardrobe.run.data.classes)
    rows = [row | {"distance": d} for row, d in zip(described, found.distances[0].tolist(), strict=True)]
    usual = note_outliers(wardrobe, [image], original)
    if json:
        search = {"kind": found.search, "recall_at_10": found.recall}
        unusual: dict[str, Any] = usual.rows()[0] if usual else dict.fromkeys(ROW)
        print_json({"image": str(image), **unusual, "search": search, "nearest": rows})
        return
    if found.search == "index":
        wardrobe.progress.note(f"searched with an index, which finds {found.recall:.1%} of the 10 nearest")
    cells = [(str(row["id"]), str(row["split"]), row["label"] or "-", f"{row['distance']:.4f}") for row in rows]
    print_table([("id", "split", "label", "distance"), *cells])
