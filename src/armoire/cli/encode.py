"""`armoire encode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.cli.arguments import RunFolder, Whole
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    from armoire.wardrobe import Wardrobe


def encode(
    run: RunFolder,
    data: str,
    /,
    *,
    out: Path,
    engine: str | None = None,
    workers: Whole | None = None,
    shard_size: Whole | None = None,
    column: str | None = None,
    id_column: str | None = None,
    dtype: str | None = None,
) -> None:
    """Write where every image of a data set lies, as one Parquet file, or as a folder of shards for huge sets.

    FILE.parquet holds id, split, label, mean_0.., log_var_0.. and is for sets that are packed, as training does.
    FOLDER/shards/*.parquet hold id, row, mean, log_var (lists of one length); nothing is packed, any number of images
    will do, and an encoding that was stopped goes on when the same is typed again.

    Args:
        run: folder of a run.
        data: fashion-mnist, drawn-faces, celeba:PATH, hf:OWNER/NAME, or the path of images (a folder or zip of
            them, Parquet, Arrow, WebDataset or NumPy files), fitted like the training data.
        out: FILE.parquet or FOLDER.
        engine: of a FOLDER: local (all cores of this machine, the default) or ray (Ray Data: the cluster of
            RAY_ADDRESS, or this machine).
        workers: of a FOLDER: how many processes work at a time; by default one a core, or 4 a GPU.
        shard_size: of a FOLDER: images to a shard, 10000 by default.
        column: of Parquet data: the column with the images; by default the only one that could be it.
        id_column: of Parquet data: the column that names the images; by default id, else the images' path, else
            FILE#ROW.
        dtype: of a FOLDER: float32 (the default) or float16.
    """
    from armoire.wardrobe import Wardrobe, encode_set

    settings = {
        "engine": engine,
        "workers": workers,
        "shard_size": shard_size,
        "column": column,
        "id_column": id_column,
        "dtype": dtype,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    to_shards = not out.suffix or out.is_dir()
    if not to_shards:
        if out.suffix.lower() != ".parquet":
            raise ArmoireError(f"--out should be a .parquet file, or a folder (a name without an ending), not {out}")
        if given:
            flag = next(iter(given)).replace("_", "-")
            raise ArmoireError(f"--{flag} is for shards; give a folder, without .parquet, as --out, not {out}")
    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    if to_shards:
        _encode_shards(wardrobe, data, out, given)
    else:
        images = wardrobe.load(data)
        encode_set(wardrobe.model, images, progress).write(out, {"data_fingerprint": images.info.fingerprint})
    print(out)


def _encode_shards(wardrobe: Wardrobe, data: str, out: Path, settings: dict[str, Any]) -> None:
    from armoire.wardrobe.encoding import encode_shards

    made = encode_shards(wardrobe, data, out, **settings)
    told = f"; {made.rejected:,} could not be read, see {out / 'rejected.csv'}" if made.rejected else ""
    wardrobe.progress.note(f"{made.images:,} images encoded in {made.shards:,} shards{told}")
