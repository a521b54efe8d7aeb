"""Verbs that make: sample, reconstruct, encode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from armoire.cli.arguments import RunFolder
from armoire.cli.saving import check_suffix, save_images
from armoire.cli.terminal import Whole, print_json, print_table, terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    from armoire.wardrobe import Wardrobe


def sample(
    run: RunFolder,
    /,
    *,
    out: Path,
    number: Annotated[Whole, Parameter(name=["-n", "--number"])] = 18,
    seed: Whole = 0,
    prior: str | None = None,
    temperature: float = 1.0,
) -> None:
    """Make new images from places drawn at random.

    Args:
        run: folder of a run.
        out: FILE.png (a grid), FILE.npy (uint8, n x h x w x c), or FOLDER/ (a PNG each).
        number: how many.
        seed: the same seed makes the same images.
        prior: where to draw from: gmm or flow, once armoire prior has fitted one; normal, which is N(0, I); or box,
            uniform over where the held-out images lie. By default the one that fits best, where any is; else
            normal for a variational autoencoder and box for a plain one.
        temperature: below 1 draws nearer to where most images lie, truer and less various; above 1 farther away.
    """
    from armoire.wardrobe import Wardrobe
    from armoire.wardrobe.checks import check_temperature

    if number < 1:
        raise ArmoireError(f"-n should be 1 or more, not {number}")
    if seed < 0:
        raise ArmoireError(f"--seed should be 0 or more, not {seed}")
    check_temperature(temperature, "--temperature")
    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    images = wardrobe.decode(wardrobe.sample(number, seed, prior, temperature))
    save_images(images, out)
    progress.note(f"{number:,} images drawn from {wardrobe.prior(prior).name}")
    print(out)


def prior(
    run: RunFolder,
    /,
    *,
    kind: Literal["gmm", "flow"] = "flow",
    seed: Whole = 0,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Fit a prior to where the training images lie, and keep it in the run: samples are drawn from it from then on.

    With it a plain autoencoder becomes a generator, and a variational one draws from where its images are and no longer
    from the holes between them. sample, evaluate, figures and explore use it; --prior normal goes back.

    Args:
        run: folder of a run.
        kind: flow, a neural spline flow; or gmm, a mixture of Gaussians, as many as held-out latents ask for.
        seed: of the fit.
        json: print one JSON object.
    """
    from armoire.wardrobe import Wardrobe

    if seed < 0:
        raise ArmoireError(f"--seed should be 0 or more, not {seed}")
    wardrobe = Wardrobe.open(run, progress=terminal_progress())
    found = wardrobe.fit_prior(kind, seed)
    name = wardrobe.prior(kind).name
    if json:
        print_json({"prior": kind, "name": name, **found})
        return
    rows = [
        ("prior", name),
        ("log p(z)", f"{found['log_prob']:.3f} nats a latent, of {found['held_out']:,} training latents kept apart"),
        ("N(0, I)", f"{found['log_prob_normal']:.3f} nats"),
        ("next", f"armoire sample {run} --out samples.png"),
    ]
    print_table(rows)


def reconstruct(run: RunFolder, /, *images: Annotated[Path, Parameter(name="IMAGE")], out: Path) -> None:
    """Put image files through a run and save originals (as fitted) above reconstructions.

    Args:
        run: folder of a run.
        images: image files of any size, one or more; each is fitted like the training data.
        out: FILE.png.
    """
    import numpy as np

    from armoire.images.grid import enlargement, image_grid, save_png
    from armoire.wardrobe import Wardrobe

    if not images:
        raise ArmoireError("reconstruct needs at least one image file after the run")
    check_suffix(out, ".png")
    wardrobe = Wardrobe.open(run, progress=terminal_progress())
    originals = wardrobe.preprocess(images)
    again = wardrobe.decode(wardrobe.encode(originals))
    save_png(out, image_grid(np.concatenate([originals, again]), len(originals)), enlargement(originals))
    errors = np.square((originals.astype(np.float64) - again) / 255).mean(axis=(1, 2, 3))
    print_table([(str(path), f"mean squared error {error:.4f}") for path, error in zip(images, errors, strict=True)])
    print(out)


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
