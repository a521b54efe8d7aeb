"""Types of arguments that several commands share, with their help, their limits and what a shell completes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, Token
from cyclopts.validators import Number
from cyclopts.validators import Path as PathValidator

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from armoire.images.columns import ColumnChoice


def _recipes(context: CompletionContext) -> list[str]:
    from armoire.training.recipe import recipe_names

    return recipe_names() + [str(path) for path in sorted(_folder(context).glob("*.toml"))]


def _likelihoods(_context: CompletionContext) -> list[str]:
    from armoire.model.kinds import LIKELIHOODS

    return LIKELIHOODS.names()


def _runs(context: CompletionContext) -> list[tuple[str, str]]:
    """The runs below the current folder, and the folders at the typed path."""
    from armoire.training.runs import find_runs

    found = {str(run.path): f"{run.recipe}, {run.state}" for run in find_runs(Path())}
    folders = [path for path in _folder(context).glob("*") if path.is_dir() and not path.name.startswith(".")]
    return [*found.items(), *((str(path), "folder") for path in sorted(folders) if str(path) not in found)]


def _folder(context: CompletionContext) -> Path:
    typed = Path(context.incomplete)
    return typed if context.incomplete.endswith("/") else typed.parent


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    # The parser alone would round 1.5.
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"'{tokens[0].value}' is not a whole number") from None


def _whole_or_auto(kind: object, tokens: Sequence[Token]) -> int | str:
    return "auto" if tokens[0].value == "auto" else _whole(kind, tokens)


def _numbers(_type: object, tokens: Sequence[Token]) -> list[float]:
    text = ",".join(token.value for token in tokens)
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"'{text}' is not one or several numbers separated by commas")
    return numbers


# Read here: the registry in armoire.images.sources would import NumPy for `--help`.
_INSTALLED = sorted(metadata.entry_points(group="armoire.sources").names)
DATA = (
    f"{', '.join(['fashion-mnist', 'drawn-faces', 'celeba:PATH', 'hf:OWNER/NAME', *_INSTALLED])}, or the path of "
    "images: a folder or zip of them, with or without a table, Parquet, Arrow, WebDataset or NumPy files"
)


@Parameter(name="*")
@dataclass(frozen=True)
class ColumnFlags:
    """Which columns of the data's tables are read, where that is not to be found.

    Attributes:
        name_column: column that names the images; by default it is found.
        image_column: column that holds the images; by default it is found. Of WebDataset: the images' ending.
        label_column: column of the classes, or none; by default it is found.
        split_column: column of the splits, or none; by default it is found.
        attributes: columns of attributes, with commas, or none; by default all of two values.
        label_pattern: regular expression whose first group, searched in an image's id, is its class; by default none.
    """

    name_column: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    attributes: str | None = None
    label_pattern: str | None = None

    def settings(self) -> dict[str, str]:
        """The flags that are given, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def column_choice(columns: ColumnFlags | None) -> ColumnChoice:
    """The columns that are given by flags."""
    from armoire.images.columns import ColumnChoice

    return ColumnChoice.from_settings(columns.settings() if columns else {})


def is_folder(out: str) -> bool:
    """Whether --out names a folder: it ends in a slash, has no suffix, or is one."""
    return out.endswith(("/", os.sep)) or not Path(out).suffix or Path(out).expanduser().is_dir()


Whole = Annotated[int, Parameter(converter=_whole)]
WholeOrAuto = Annotated[int | Literal["auto"], Parameter(converter=_whole_or_auto)]
Count = Annotated[Whole, Parameter(validator=Number(gte=1))]
HowMany = Annotated[Count, Parameter(name=["-n", "--number"], help="how many.")]
Seed = Annotated[Whole, Parameter(validator=Number(gte=0))]
Temperature = Annotated[float, Parameter(validator=Number(gt=0, lt=math.inf))]
#: One or several numbers separated by commas.
Numbers = Annotated[list[float], Parameter(converter=_numbers, n_tokens=1, negative="")]
Flag = Annotated[bool, Parameter(negative="")]
Json = Annotated[bool, Parameter(negative="", help="print one JSON object.")]
RecipeName = Annotated[
    str, Parameter(completer=_recipes, help="name of a recipe (`armoire recipes` lists them), or a .toml file.")
]
LikelihoodName = Annotated[str, Parameter(completer=_likelihoods)]
RunPath = Annotated[Path, Parameter(completer=_runs, help="folder of a run, or hf:OWNER/NAME.")]
ImagePath = Annotated[Path, Parameter(help="an image file of any size, prepared like the training images.")]
PngPath = Annotated[Path, Parameter(validator=PathValidator(ext="png"))]
Data = Annotated[str, Parameter(help=f"{DATA}.")]
DataOfRecipe = Annotated[str | None, Parameter(help=f"{DATA}; by default the recipe's own.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    Parameter(help="where to compute; auto is CUDA if there is a GPU for it, else the CPU; mps is untested."),
]
Features = Annotated[
    str | None,
    Parameter(
        help="features by which samples are compared, with commas: efficientnet-lite0 and dinov2-focus (both the "
        "default where they are installed), a classifier of the data's own labels or attributes, or inception, as for "
        "FID."
    ),
]
