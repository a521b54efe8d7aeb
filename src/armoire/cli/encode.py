from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.cli.arguments import ColumnFlags, Data, RunPath, Whole, column_choice, is_folder
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    from armoire.wardrobe import Wardrobe


def encode(
    run: RunPath,
    data: Data,
    /,
    *,
    out: str,
    columns: ColumnFlags | None = None,
    engine: str | None = None,
    workers: Whole | None = None,
    shard_size: Whole | None = None,
    dtype: str | None = None,
) -> None:
    """Write the latents of all images of a data set as one Parquet file, or as a folder of shards for huge sets.

    Args:
        out: FILE.parquet (id, split, label, mean_0.., log_var_0..), for sets that fit into the cache, as in training;
            or FOLDER/, with shards/*.parquet (id, row, and lists mean and log_var), for any number of images; an
            interrupted encoding continues.
        engine: of a FOLDER: local (all cores of this machine, the default) or ray (Ray Data: the cluster of
            RAY_ADDRESS, or this machine).
        workers: of a FOLDER: number of processes; by default one per core, or 4 per GPU.
        shard_size: of a FOLDER: images per shard, by default 10000.
        dtype: of a FOLDER: float32 (the default) or float16.
    """
    from armoire.wardrobe import Wardrobe, encode_set

    settings = {
        "engine": engine,
        "workers": workers,
        "shard_size": shard_size,
        "dtype": dtype,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    path, choice = Path(out).expanduser(), column_choice(columns)
    to_shards = is_folder(out)
    if not to_shards:
        if path.suffix.lower() != ".parquet":
            raise ArmoireError(f"--out should be a .parquet file, or a folder (its name ends in /), not {out}")
        if given:
            flag = next(iter(given)).replace("_", "-")
            raise ArmoireError(f"--{flag} is for shards; give a folder, without .parquet, as --out, not {out}")
    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    if to_shards:
        _encode_shards(wardrobe, data, path, given | {"choice": choice})
    else:
        images = wardrobe.load(data, choice=choice)
        encode_set(wardrobe.model, images, progress).write(path, {"data_fingerprint": images.info.fingerprint})
    print(out)


def _encode_shards(wardrobe: Wardrobe, data: str, out: Path, settings: dict[str, Any]) -> None:
    from armoire.wardrobe.encoding import encode_shards

    made = encode_shards(wardrobe, data, out, **settings)
    rejected = f"; {made.rejected:,} could not be read, see {out / 'rejected.csv'}" if made.rejected else ""
    wardrobe.progress.note(f"{made.images:,} images encoded in {made.shards:,} shards{rejected}")
