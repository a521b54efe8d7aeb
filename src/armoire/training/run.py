"""A run is a folder that holds everything needed to use a model, and how it came to be."""

from __future__ import annotations

import csv
import json
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError
from armoire.files import sha256, write_text
from armoire.images import ImageSet, SetInfo
from armoire.model.pretrained import FILE, read_header
from armoire.training.recipe import Recipe, parse_recipe, read_recipe

# torch is imported where a model is: what a run is, can be told without.
if TYPE_CHECKING:
    import torch

    from armoire.model import Autoencoder

DIVERGED = "diverged.json"
UNITS = "pixels in [0, 1]; distortion, rate and objective in nats per image"


@dataclass(frozen=True)
class Run:
    """A run's folder.

        recipe.toml  diverged.json  model.safetensors  history.csv  checkpoints/  previews/
        latents.parquet  familiarity.json  editing.json  directions/*.parquet  figures/*.png  report.html  explorer/
        neighbours/  priors/*.safetensors

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run, by its folder or by its name in runs/, that holds at least a recipe and a model.

        Raises:
            ArmoireError: it does not, or one of them is damaged.
        """
        # A bare name stands for the folder that `armoire train` gave it.
        given, usual = Path(path), Path("runs") / path
        run = cls(usual if usual.is_dir() and not given.exists() else given)
        if not run.path.is_dir():
            raise ArmoireError(f"no run at {path}; train one with `armoire train RECIPE --out {path}`")
        if not (run.path / "recipe.toml").is_file():
            raise ArmoireError(f"{path} is no run (it holds no recipe.toml); give a folder that armoire train wrote")
        if not (run.path / FILE).is_file():
            raise ArmoireError(f"{path} holds no {FILE}; finish it with `armoire train {run.recipe.name} --resume`")
        run._check_recipe()
        return run

    def _check_recipe(self) -> None:
        # Half a TOML file is often a valid one, which would silently put defaults in the place of what was lost.
        try:
            trained = parse_recipe(tomllib.loads(self.header.get("recipe", "")), f"the header of {FILE}")
        except tomllib.TOMLDecodeError as error:
            raise ArmoireError(f"{self.path / FILE} is damaged (its recipe cannot be read: {error})") from None
        free = {"epochs", "name", "summary", "data"}  # what --resume may change, and what says nothing of the model
        if self.recipe.model_dump(exclude=free) != trained.model_dump(exclude=free):
            raise ArmoireError(
                f"{self.path / 'recipe.toml'} is not what {FILE} was trained with: it is damaged or edited; "
                "restore it, or give a copy of it to armoire train for another run"
            )

    @property
    def name(self) -> str:
        """What it is called: the name of its folder, in characters that can be written as UTF-8."""
        return self.path.resolve().name.encode("utf-8", "backslashreplace").decode()

    @cached_property
    def recipe(self) -> Recipe:
        """The settings it was trained with."""
        return read_recipe(self.path / "recipe.toml")

    @cached_property
    def header(self) -> dict[str, str]:
        """Version, git commit, data, seed and units, from the header of the weights."""
        return read_header(self.path / FILE)

    @cached_property
    def data(self) -> SetInfo:
        """The data set it was trained on: name, source, fit, classes, fingerprint."""
        try:
            return SetInfo.from_json(self.header["data"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArmoireError(f"{self.path / FILE} is damaged (its data entry cannot be read: {error})") from None

    def model(self, device: torch.device | str = "cpu") -> Autoencoder:
        """The trained model, in evaluation mode."""
        from armoire.model import Autoencoder

        return Autoencoder.from_pretrained(self.path).to(device)

    def model_sha256(self) -> str:
        """SHA-256 of model.safetensors: equal weights of equal history, equal digest."""
        return sha256((self.path / FILE).read_bytes())

    def priors_sha256(self) -> dict[str, str]:
        """SHA-256 of each prior that was fitted to this run."""
        return {path.stem: sha256(path.read_bytes()) for path in sorted(self.path.glob("priors/*.safetensors"))}

    def key(self) -> dict[str, str]:
        """Which data and weights something kept beside the model was made of: of others it is made again."""
        return {"data_fingerprint": self.data.fingerprint, "model_sha256": self.model_sha256()}

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row an epoch, as in history.csv."""
        path = self.path / "history.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        except OSError:
            raise ArmoireError(f"no history.csv in {self.path}; restore it, or train again") from None
        except (ValueError, TypeError, csv.Error) as error:
            raise ArmoireError(f"{path} is damaged ({error}); restore it, or train again") from None

    @property
    def diverged(self) -> dict[str, float] | None:
        """Step and learning rate at which the objective stopped being finite, where the last training ended so."""
        try:
            found = json.loads((self.path / DIVERGED).read_text(encoding="utf-8"))
            return {"step": int(found["step"]), "learning_rate": float(found["learning_rate"])}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write_diverged(self, step: int, learning_rate: float) -> None:
        """Keep where the objective stopped being finite, for `armoire doctor`."""
        write_text(self.path / DIVERGED, json.dumps({"step": step, "learning_rate": learning_rate}) + "\n")

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """Write history.csv."""
        text = StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path / "history.csv", text.getvalue())

    def write_model(self, model: Autoencoder, recipe: Recipe, images: ImageSet, step: int, epoch: float) -> None:
        """Write model.safetensors with all that is worth knowing of it in its header."""
        import torch

        facts: dict[str, Any] = {
            "armoire_version": metadata.version("armoire"),
            "git_commit": git_commit(),
            "torch_version": torch.__version__,
            "recipe": recipe.to_toml(),
            "data": images.info.to_json(),
            "data_fingerprint": images.info.fingerprint,
            "seed": str(recipe.seed),
            "step": str(step),
            "epoch": json.dumps(epoch),
            "units": UNITS,
        }
        model.save_pretrained(self.path, facts)


def git_commit() -> str:
    """The commit of the source that is running, "" where it is not a checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
