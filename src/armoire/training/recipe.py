"""Recipes: all settings of a model and its training under one name.

TOML files, `armoire.train(...)` and the flags of `armoire train` have the same fields.
"""

from __future__ import annotations

from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.fit import AUTOMATIC
from armoire.io.files import parse_toml, read_text
from armoire.model.kinds import LIKELIHOODS, NETWORKS, POSTERIORS
from armoire.priors.kinds import PRIORS
from armoire.registry import Registry

if TYPE_CHECKING:
    from armoire.images import ImageSet
    from armoire.images.columns import ColumnChoice
    from armoire.model import Architecture
    from armoire.model.posterior import Posterior

LENGTHS = ("epochs", "steps", "minutes")  # settings; a recipe has one of them at most
REGISTRIES: dict[str, Registry[Any]] = {"posterior": POSTERIORS, "likelihood": LIKELIHOODS, "blocks": NETWORKS}
Share = Annotated[float, Field(ge=0, le=1)]


def _kind_of(registry: Registry[Any], *others: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in (known := [*others, *registry]):
            raise ValueError(", ".join(f"'{kind}'" for kind in known))
        return name

    return AfterValidator(check)


class Recipe(BaseModel):
    """Frozen, strict settings: an unknown key is an error that names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(
        pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", description="name of the recipe, and of its run's folder"
    )
    summary: str = Field("", description="one line")

    data: str = Field("", description="the data set to train on by default")
    size: int | None = Field(None, ge=16, le=256, description="side a folder's images are fitted to, pixels")
    fit: Literal["crop", "pad", "stretch"] = Field("crop", description="how images that are not square are fitted")
    background: str = Field(AUTOMATIC, description="colour under transparent pixels and in padding")
    name_column: str = Field("", description="column that names the images; empty: found")
    image_column: str = Field("", description="column that holds the images; empty: found")
    label_column: str = Field("", description="column of the classes; empty: found; none: no classes")
    split_column: str = Field("", description="column of the splits; empty: found; none: by content")
    attributes: str = Field("", description="columns of attributes, with commas; empty: found; none")
    label_pattern: str = Field(
        "", description="regular expression whose first group, searched in an image's id, is its class"
    )
    without: str = Field("", description="survey.csv of armoire survey, whose duplicates are left out")
    showable: bool = Field(
        True, description="whether images of the data, and reconstructions of them, may be published"
    )

    posterior: Annotated[str, _kind_of(POSTERIORS)] = Field(
        "gaussian", description="point: an autoencoder; gaussian: a variational one"
    )
    latent: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = Field(
        2, description="latent dimensions; auto: as many as the data ask for"
    )
    likelihood: Annotated[str, _kind_of(LIKELIHOODS)] = Field(
        "bernoulli", description="of the pixels; calibrated: a gaussian whose sigma follows the error"
    )
    sigma: float = Field(1.0, gt=0, description="standard deviation of the gaussian likelihood, for pixels in [0, 1]")
    beta: float = Field(1.0, ge=0, description="weight of the rate in distortion + beta * rate")
    beta_warmup: Share = Field(
        0.0, description="share of each cycle in which beta rises linearly from 0; 0: beta is constant"
    )
    beta_cycles: int = Field(1, ge=1, description="cycles of equal length in which beta rises again")
    noise: Share = Field(
        0.0, description="standard deviation of Gaussian noise on the input, for pixels in [0, 1]; the target is clean"
    )
    flip: bool | Literal["auto"] = Field(
        False, description="mirror half of the training images at random; auto: where the data gain by it"
    )
    shift: Annotated[int, Field(ge=0, le=16)] | Literal["auto"] = Field(
        0, description="pixels by which training images are moved at most; auto: where the data gain by it"
    )
    channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (),
        strict=False,
        description="channels of each halving (residual: from a quarter of the size on); empty: derived",
    )
    blocks: Annotated[str, _kind_of(NETWORKS)] = Field(
        "plain", description="the network; residual: with linear maps in parallel"
    )
    start: Literal["random", "components"] = Field(
        "random",
        description="initial weights; components: linear maps, where blocks have them, begin as principal components",
    )
    norm: Literal["none", "batch", "group"] = Field("none", description="normalisation at each convolution")
    activation: Literal["relu", "leaky_relu", "silu"] = Field("relu", description="at each convolution")

    adversarial: float = Field(
        0.0, ge=0, description="norm of a critic's gradient, relative to the likelihood's; 0: no critic"
    )
    adversarial_from: Share = Field(0.5, description="share of the steps before the critic is used")
    prior: Annotated[str, _kind_of(PRIORS, "none")] = Field(
        "none", description="fitted to the training latents at the end, to draw from"
    )

    epochs: int | None = Field(
        None,
        ge=1,
        description="passes over the training images; without epochs, steps and minutes, their number decides",
    )
    steps: int | None = Field(None, ge=1, description="optimiser steps, instead of epochs")
    minutes: float | None = Field(
        None, gt=0, description="time for steps and measurements, instead of epochs; the schedule follows the clock"
    )
    validation: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of the training images that chooses the weights kept, and stops over-fitting; 0: the last",
    )
    batch: int = Field(100, ge=1, description="images per step")
    lr: float = Field(1e-3, gt=0, description="largest learning rate of Adam")
    schedule: Literal["constant", "one-cycle"] = Field(
        "one-cycle", description="one-cycle: linear up, then half a cosine down to 0"
    )
    warmup: Share = Field(0.1, description="share of one-cycle's steps that go up")
    clip: float = Field(0.0, ge=0, description="largest norm of a step's gradient; 0: unlimited")
    average: float = Field(
        0.0, ge=0, lt=1, description="decay of a moving average of the weights, which is kept; 0: the last weights"
    )
    seed: int = Field(0, ge=0, description="of every random draw")
    limit: int | None = Field(None, ge=2, description="train on this many images, drawn with the seed")

    published_weight: float | None = Field(
        None, gt=0, description="the published weight of the pixel error, for numbers in its scale"
    )
    published_error: Literal["bce", "mse", "rmse"] | None = Field(
        None, description="the published pixel error, a mean over pixels"
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_whole_numbers(cls, values: Any) -> Any:
        # People write 1 for 1.0; strictness is for "1" and true.
        if not isinstance(values, dict):
            return values
        real = {key for key, field in cls.model_fields.items() if field.annotation in (float, float | None)}
        return {key: float(value) if type(value) is int and key in real else value for key, value in values.items()}

    @model_validator(mode="after")
    def _check_one_length(self) -> Recipe:
        if len(given := [key for key in LENGTHS if getattr(self, key) is not None]) > 1:
            raise ValueError(f"give one of {', '.join(LENGTHS)}, not {' and '.join(given)}")
        return self

    @property
    def length(self) -> str:
        """How long it trains, such as "5 epochs"; "" where the number of images decides."""
        for unit in LENGTHS:
            if (n := getattr(self, unit)) is not None:
                return f"{n:{',' if isinstance(n, int) else 'g'}} {unit.removesuffix('s' * (n == 1))}"
        return ""

    @property
    def choice(self) -> ColumnChoice:
        """Which columns of the data's tables are read."""
        from armoire.images.column_roles import COLUMN_SETTINGS, ColumnChoice

        return ColumnChoice.from_settings({name: getattr(self, name) for name in COLUMN_SETTINGS})

    @property
    def lead(self) -> str:
        """The summary, or what kind of model it is."""
        return self.summary or self.posterior_class.model_name

    @property
    def dimensions(self) -> int:
        """The number of latent dimensions; ArmoireError while it is to be chosen from the data."""
        if self.latent == "auto":
            raise ArmoireError(f"latent in recipe {self.name} is auto, which training decides; give a number")
        return self.latent

    @property
    def posterior_class(self) -> type[Posterior]:
        """The class that states the facts about this recipe's posterior."""
        return POSTERIORS.get(self.posterior)

    def architecture(self, images: ImageSet) -> Architecture:
        """The model of this recipe for a data set; ArmoireError where the images are too small for its network."""
        from armoire.model import Architecture

        height, _, image_channels = images.shape
        settings: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Architecture)[2:]}
        settings["latent"] = self.dimensions
        architecture = Architecture(height, image_channels, **settings)
        try:
            NETWORKS.get(self.blocks)(architecture)
        except ValueError as error:
            raise ArmoireError(
                f"{error} in recipe {self.name}; give fewer channels, or none (images-vae), to derive the network from "
                "the size"
            ) from None
        return architecture

    def change(self, **settings: Any) -> Recipe:
        """The recipe with some settings changed; None leaves a setting as it is, and a length replaces another."""
        given = {key: value for key, value in settings.items() if value is not None}
        other = dict.fromkeys(LENGTHS) if given.keys() & set(LENGTHS) else {}
        return parse_recipe(self.model_dump() | other | given, f"recipe {self.name}") if given else self

    def to_toml(self, comments: bool = False, everything: bool = True) -> str:
        """The recipe as TOML, one setting a line; `everything` writes those left at their default too."""
        lines = []
        for key, field in type(self).model_fields.items():
            value = getattr(self, key)
            if value is None or (not everything and value == field.default):
                continue
            lines.append(f"{key} = {_toml(value)}" + (f"  # {describe(key)}" if comments else ""))
        return "\n".join(lines) + "\n"


def describe(key: str) -> str:
    """What a setting is, with the names of all registered kinds where it is one."""
    description = Recipe.model_fields[key].description or ""
    return f"{description}; {', '.join(REGISTRIES[key])}" if key in REGISTRIES else description


def recipe_names() -> list[str]:
    """Names of the recipes that come with armoire."""
    folder = resources.files("armoire") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by name, or from a .toml file; ArmoireError where there is none, or its settings are not valid."""
    path = Path(name)
    if path.suffix == ".toml":
        return read_recipe(path)
    if str(name) not in (known := recipe_names()):
        raise ArmoireError(f"no recipe '{name}'; {did_you_mean(str(name), known)} (`armoire recipes` lists them)")
    text = (resources.files("armoire") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_recipe({"name": str(name)} | parse_toml(text), f"recipe {name}")


def read_recipe(path: Path) -> Recipe:
    """A recipe from a TOML file; its name is the file's unless it states one."""
    try:
        values = parse_toml(read_text(path))
    except FileNotFoundError:
        raise ArmoireError(f"no recipe file {path}") from None
    except (OSError, ValueError) as error:
        raise ArmoireError(f"{path} cannot be read as TOML: {error}") from None
    return parse_recipe({"name": path.stem} | values, str(path))


def parse_recipe(values: dict[str, Any], where: str) -> Recipe:
    """A recipe from plain values; an ArmoireError names the first invalid one."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise ArmoireError(f"no setting '{key}' in {where}; {did_you_mean(key, Recipe.model_fields)}") from None
        what = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        if not key:
            raise ArmoireError(f"{where}: {what}") from None
        raise ArmoireError(f"{key} in {where} should be {what}, not {first['input']!r}") from None


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in escaped) + '"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
