"""A run: the folder of a trained model, its recipe, history, checkpoints and artifacts."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError, first_line
from armoire.html_repr import Picture, Table, html_repr
from armoire.hub.download import local_folder
from armoire.images import ImageSet, SetInfo
from armoire.io.artifacts import Artifacts, digest_once
from armoire.io.files import parse_toml, read_checksummed, read_text, relative, sha256, write_checksummed, write_text
from armoire.io.tensors import change_metadata
from armoire.model.pretrained import FILE, read_header, refuse_foreign, unreadable_model
from armoire.progress import USUAL, Progress
from armoire.training.recipe import LENGTHS, Recipe, parse_recipe, read_recipe
from armoire.training.without_paths import public_header, public_recipe

# torch is imported only where a model is needed.
if TYPE_CHECKING:
    import torch

    from armoire.model import Autoencoder

DIVERGED = "diverged.json"
WITHOUT = "without.csv"  # the survey whose duplicates were left out
FREE = {*LENGTHS, "name", "summary", "data", "without", "showable"}  # settings that --resume may change
LATEST = 5  # rows of the history in the notebook repr
SPECS = {"epoch": ".3g"} | {f"{split}_published_total_loss": ".4g" for split in ("test", "valid")}
TRACKING = "tracking"  # folder of the trackers' files
SNAPSHOTS = "snapshots"
TIMES = {"seconds", "images_per_second"}  # columns of the history that differ between equal trainings
UNITS = "pixels in [0, 1]; distortion, rate and objective in nats per image"


@dataclass(frozen=True)
class Run:
    """A run's folder.

    ```
    recipe.toml  diverged.json  model.safetensors  history.csv  checkpoints/  snapshots/  previews/
    latents.parquet  outliers.safetensors  evaluation.json  editing.json  directions/*.parquet  figures/*.png
    report.html  explorer/  neighbours/  priors/*.safetensors  tracking/
    ```
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path, progress: Progress = USUAL) -> Run:
        """Open a run that holds at least a recipe and a model.

        Args:
            path: its folder, its name in runs/, or `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` for one of the Hub: that
                is fetched into the cache, once, and its artifacts go there too.
            progress: where to report what is fetched.

        Raises:
            ArmoireError: it does not, one of them is damaged or of another version, or it cannot be fetched.
        """
        path = local_folder(path, progress)
        # A bare name is one in runs/, where `armoire train` writes.
        given, usual = Path(path).expanduser(), Path("runs") / path
        # Absolute: a program may change its working directory.
        run = cls((usual if usual.is_dir() and not given.exists() else given).absolute())
        refuse_foreign(run.path)
        if not run.path.is_dir():
            raise ArmoireError(f"no run at {path}; train one with `armoire train RECIPE --out {path}`")
        if not (run.path / "recipe.toml").is_file():
            raise ArmoireError(f"{path} is no run (it holds no recipe.toml); give a folder that armoire train wrote")
        if not (run.path / FILE).is_file():
            raise ArmoireError(f"{path} holds no {FILE}; finish it with `armoire train {run.recipe.name} --resume`")
        run._check_links()
        run._check_recipe()
        return run

    def __str__(self) -> str:
        """Its folder, as a command takes it: relative to the working directory where it is below it."""
        return str(relative(self.path))

    def _repr_html_(self) -> str:
        pictures = []
        with contextlib.suppress(ArmoireError, OSError):
            step = int(self.measured["step"])
            caption = f"step {step:,}: held-out images, their reconstructions, and samples"
            pictures = [Picture(self.preview(step).read_bytes(), caption)]
        return html_repr(self.name, self.recipe.lead, [self.facts(), self._epochs()], pictures)

    def facts(self) -> Table:
        """Folder, recipe, data and settings, as a notebook shows them."""
        recipe, data = self.recipe, self.data
        beta = f", beta {recipe.beta:g}" if recipe.posterior_class.is_stochastic else ""
        rows = [
            ("folder", str(self)),
            ("recipe", recipe.name),
            ("data", f"{data.name}, {data.fit.canvas} × {data.fit.canvas}, {data.fit.colours}"),
            ("latent dimensions", f"{recipe.dimensions}"),
            ("trained with", f"{recipe.likelihood} likelihood{beta}, seed {recipe.seed}"),
        ]
        return Table(rows, words=True)

    def _epochs(self) -> Table:
        """The last rows of the history, or the reason why there is none."""
        try:
            rows = self.history
        except ArmoireError as error:
            return Table([("history", str(error))], words=True)
        split = "test" if "test_objective_nats" in rows[0] else "valid"
        columns = {"epoch": "epoch", "train objective, nats": "train_objective_nats"}
        columns |= {f"{split} {name}, nats": f"{split}_{name}_nats" for name in ("distortion", "rate", "objective")}
        columns |= {f"{split} total, published scale": f"{split}_published_total_loss", "seconds": "seconds"}
        there = {head: key for head, key in columns.items() if key in rows[0]}
        cells = [[format(row[key], SPECS.get(key, ",.1f")) for key in there.values()] for row in rows[-LATEST:]]
        title = f"The last {LATEST} of {len(rows)} measurements" if len(rows) > LATEST else "Measurements"
        return Table(cells, title, list(there))

    def _check_links(self) -> None:
        # Artifacts are written into the run: an untrusted one must not redirect them.
        inside = self.path.resolve()
        for path in self.path.iterdir():
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                raise ArmoireError(f"{path} is a link that leads out of the run; replace it by what it leads to")

    def _check_recipe(self) -> None:
        # Half a TOML file is often valid, with defaults in place of the lost settings.
        with self._reading("recipe"):
            trained = parse_recipe(parse_toml(self.header.get("recipe", "")), "its header")
        if self.recipe.model_dump(exclude=FREE) != trained.model_dump(exclude=FREE):
            raise ArmoireError(
                f"{self.path / 'recipe.toml'} is not what {FILE} was trained with: it is damaged or edited; "
                "restore it, or give a copy of it to armoire train for another run"
            )

    @contextlib.contextmanager
    def _reading(self, entry: str) -> Iterator[None]:
        """Raise an ArmoireError where an entry of the header cannot be read: of other code, or damaged."""
        try:
            yield
        except (ArmoireError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise unreadable_model(self.path / FILE, f"its {entry}: {first_line(error)}") from None

    @property
    def name(self) -> str:
        """The name of its folder, encodable as UTF-8."""
        return self.path.resolve().name.encode("utf-8", "backslashreplace").decode()

    @cached_property
    def recipe(self) -> Recipe:
        """The settings it was trained with."""
        return read_recipe(self.path / "recipe.toml")

    @cached_property
    def header(self) -> dict[str, str]:
        """Version, git commit, data, seed and units, from the header of the weights."""
        return read_header(self.path / FILE)

    @property
    def steps(self) -> int:
        """Number of optimiser steps done; the weights may be those after fewer, which validation images chose."""
        with self._reading("step"):
            return max(int(self.header["step"]), int(self.header.get("steps_done", 0)))

    @property
    def started_from(self) -> dict[str, str]:
        """Name and SHA-256 of the run whose weights its training began with; {} where they were new."""
        with self._reading("started_from"):
            found = json.loads(self.header.get("started_from", "{}"))
            return {name: str(found[name]) for name in ("run", "model_sha256")} if found else {}

    @property
    def measured(self) -> dict[str, float]:
        """The row of the history with the measurements of the weights; the last one before them, if there is none."""
        with self._reading("step"):
            step = int(self.header["step"])
        return next((row for row in reversed(self.history) if row["step"] <= step), self.history[0])

    @cached_property
    def data(self) -> SetInfo:
        """The data set it was trained on: name, source, fit, classes, fingerprint."""
        with self._reading("data"):
            return SetInfo.from_json(self.header["data"])

    @property
    def is_showable(self) -> bool:
        """Whether pictures of its data, and of what the model makes of them, may be given to others.

        The recipe says so; of CelebA, which may not be passed on, they never may.
        """
        from armoire.images.sources.celeba import is_celeba

        data = self.data
        return self.recipe.showable and not is_celeba(data.name, data.source, self.recipe.data)

    def model(self, device: torch.device | str = "cpu") -> Autoencoder:
        """The trained model, in evaluation mode."""
        from armoire.model import Autoencoder

        return Autoencoder.from_pretrained(self.path).to(device)

    def preview(self, step: int) -> Path:
        """The preview after a step, from 1."""
        return self.path / "previews" / f"step-{step:06d}.png"

    @cached_property
    def artifacts(self) -> Artifacts:
        """What is computed from this run and stored in it, see `armoire.io.artifacts`."""
        return Artifacts(self.path, self.key)

    def snapshot(self, step: int) -> Path:
        """The file of the weights after an optimiser step, from 1, that `train --snapshots` writes."""
        return self.path / SNAPSHOTS / f"step-{step:06d}.safetensors"

    @property
    def snapshots(self) -> dict[int, Path]:
        """Files of all snapshots by step, in the order of the steps; each opens as a model."""
        found = {path.stem.removeprefix("step-"): path for path in self.path.glob(f"{SNAPSHOTS}/step-*.safetensors")}
        return {int(step): found[step] for step in sorted(filter(str.isdecimal, found), key=int)}

    def stamp(self) -> tuple[int, int] | None:
        """Changes when the model is written again; None while there is none."""
        try:
            status = (self.path / FILE).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def model_sha256(self) -> str:
        """SHA-256 of `public_model`, wherever the data are stored; computed once per process and state of the file."""
        return digest_once(self.path / FILE, lambda: sha256(self.public_model()))

    def public_model(self) -> bytes:
        """The content of model.safetensors, in whose header the data are named without their path."""
        content = (self.path / FILE).read_bytes()
        with self._reading("header"):
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
            public = public_header(header)
            return content if public == header else change_metadata(content, public)

    def public_recipe(self) -> Recipe:
        """`recipe`, in which the data are named without their path."""
        return public_recipe(self.recipe, self.data)

    def priors_sha256(self) -> dict[str, str]:
        """SHA-256 of each prior that was fitted to this run."""
        found = sorted(path for path in self.path.glob("priors/*.safetensors") if path.is_file())
        return {path.stem: sha256(path.read_bytes()) for path in found}

    def key(self) -> dict[str, str]:
        """The data and weights that artifacts are computed from."""
        return {"data_fingerprint": self.data.fingerprint, "model_sha256": self.model_sha256()}

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row a measurement, as in history.csv: after each epoch, or evenly spaced over the steps."""
        path = self.path / "history.csv"
        try:
            rows = csv.DictReader(StringIO(read_text(path), newline=""))
            found = [{key: float(value) for key, value in row.items()} for row in rows]
        except OSError:
            raise ArmoireError(f"no history.csv in {self.path}; restore it, or train again") from None
        except (ValueError, TypeError, csv.Error) as error:
            raise ArmoireError(f"{path} is damaged ({error}); restore it, or train again") from None
        if not found or "epoch" not in found[0]:
            raise ArmoireError(f"{path} is damaged (it has no epoch); restore it, or train again")
        # A process killed between writing both leaves one row more here than there.
        rows = self.header.get("history_epochs", "")
        epochs = [row["epoch"] for row in found]
        known = rows.isdecimal() and len(rows) < 10 and epochs == sorted(set(epochs)) and len(found) <= int(rows) + 1
        if not known or history_sha256(found[: int(rows)]) != self.header.get("history_sha256"):
            raise ArmoireError(f"{path} is not the history of {FILE}; restore it, or train again")
        return found

    @property
    def diverged(self) -> dict[str, float] | None:
        """Step and learning rate at which the last training stopped because the objective was no longer finite."""
        try:
            found = read_checksummed(self.path / DIVERGED)
            return {"step": int(found["step"]), "learning_rate": float(found["learning_rate"])}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write_diverged(self, step: int, learning_rate: float) -> None:
        """Record where the objective was no longer finite, for `armoire doctor`."""
        write_checksummed(self.path / DIVERGED, {"step": step, "learning_rate": learning_rate})

    def write_history(self, rows: list[dict[str, float]]) -> None:
        text = StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path / "history.csv", text.getvalue())

    def write_model(
        self,
        model: Autoencoder,
        recipe: Recipe,
        images: ImageSet,
        step: int,
        epoch: float,
        history: list[dict[str, float]],
        path: Path | None = None,
        *,
        steps_done: int | None = None,
        started_from: dict[str, str] | None = None,
    ) -> None:
        """Write weights, with recipe, data, seed, step and versions in the header; by default model.safetensors.

        `steps_done` are those of the training where the weights are those of an earlier step; `started_from` is the
        name of the run, and the SHA-256 of its weights, with which the training began.
        """
        import torch

        header = {
            "armoire_version": metadata.version("armoire"),
            "git_commit": git_commit(),
            "torch_version": torch.__version__,
            "recipe": recipe.to_toml(),
            "data": images.info.to_json(),
            "data_fingerprint": images.info.fingerprint,
            "seed": str(recipe.seed),
            "step": str(step),
            "steps_done": str(steps_done or step),
            "epoch": json.dumps(epoch),
            "units": UNITS,
            "history_epochs": str(len(history)),
            "history_sha256": history_sha256(history),
        }
        if started_from:
            header["started_from"] = json.dumps(started_from)
        model.save_pretrained(path or self.path, header)


def history_sha256(rows: list[dict[str, float]]) -> str:
    """Digest of the measurements without the times, equal for equal trainings."""
    measured = [{name: float(value) for name, value in row.items() if name not in TIMES} for row in rows]
    return sha256(json.dumps(measured, sort_keys=True).encode())


@functools.cache
def git_commit() -> str:
    """The git commit of the running source, "" where it is not a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    return ""
