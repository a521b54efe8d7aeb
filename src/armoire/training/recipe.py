"""Recipes: all settings of a model and its training under one name.

TOML files, `armoire.train(...)` and the flags of `armoire train` have the same fields.
"""

from __future__ import annotations

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
    from armoire.model import Architecture
    from armoire.model.posterior import Posterior

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
# Settings of type float, for which a whole number is accepted too.
REAL = {"sigma", "beta", "beta_warmup", "noise", "lr", "warmup", "clip", "published_weight"}
REAL |= {"adversarial", "adversarial_from"}

REGISTRIES: dict[str, Registry[Any]] = {"posterior": POSTERIORS, "likelihood": LIKELIHOODS, "blocks": NETWORKS}


def _kind_of(registry: Registry[Any]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(", ".join(f"'{known}'" for known in registry))
        return name

    return AfterValidator(check)


def _check_prior(name: str) -> str:
    if name not in (known := ["none", *PRIORS.names()]):
        raise ValueError(", ".join(f"'{kind}'" for kind in known))
    return name


class Recipe(BaseModel):
    """Frozen, strict settings: an unknown key is an error that names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[
        str,
        Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", description="name of the recipe, and of its run's folder"),
    ]
    summary: Annotated[str, Field(description="one line")] = ""

    data: Annotated[str, Field(description="the data set to train on by default")] = ""
    size: Annotated[int | None, Field(ge=16, le=256, description="side a folder's images are fitted to, pixels")] = None
    fit: Annotated[
        Literal["crop", "pad", "stretch"], Field(description="how images that are not square are fitted")
    ] = "crop"
    background: Annotated[str, Field(description="colour under transparent pixels and in padding")] = AUTOMATIC
    showable: Annotated[
        bool, Field(description="whether images of the data, and reconstructions of them, may be published")
    ] = True

    posterior: Annotated[
        str, _kind_of(POSTERIORS), Field(description="point: an autoencoder; gaussian: a variational one")
    ] = "gaussian"
    latent: Annotated[int, Field(ge=1, le=4096, description="latent dimensions")] = 2
    likelihood: Annotated[
        str,
        _kind_of(LIKELIHOODS),
        Field(description="of the pixels; calibrated: a gaussian whose sigma follows the error"),
    ] = "bernoulli"
    sigma: Annotated[
        Positive, Field(description="standard deviation of the gaussian likelihood, for pixels in [0, 1]")
    ] = 1.0
    beta: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="weight of the rate in distortion + beta * rate")
    ] = 1.0
    beta_warmup: Annotated[
        Share, Field(description="share of each cycle in which beta rises linearly from 0; 0: beta is constant")
    ] = 0.0
    beta_cycles: Annotated[int, Field(ge=1, description="cycles of equal length in which beta rises again")] = 1
    noise: Annotated[
        Share,
        Field(
            description="standard deviation of Gaussian noise on the input, for pixels in [0, 1]; the target is clean"
        ),
    ] = 0.0
    channels: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4096)], ...],
        Field(
            strict=False,
            description="channels of each halving (residual: from a quarter of the size on); empty: derived",
        ),
    ] = ()
    blocks: Annotated[
        str, _kind_of(NETWORKS), Field(description="the network; residual: with linear maps in parallel")
    ] = "plain"
    norm: Annotated[Literal["none", "batch", "group"], Field(description="normalisation at each convolution")] = "none"
    activation: Annotated[Literal["relu", "leaky_relu", "silu"], Field(description="at each convolution")] = "relu"

    adversarial: Annotated[
        float,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="norm of a critic's gradient, relative to the likelihood's; 0: no critic",
        ),
    ] = 0.0
    adversarial_from: Annotated[Share, Field(description="share of the steps before the critic is used")] = 0.5
    prior: Annotated[
        str, AfterValidator(_check_prior), Field(description="fitted to the training latents at the end, to draw from")
    ] = "none"

    epochs: Annotated[int, Field(ge=1, description="passes over the training images")] = 5
    batch: Annotated[int, Field(ge=1, description="images per step")] = 100
    lr: Annotated[Positive, Field(description="largest learning rate of Adam")] = 1e-3
    schedule: Annotated[
        Literal["constant", "one-cycle"], Field(description="one-cycle: linear up, then half a cosine down to 0")
    ] = "one-cycle"
    warmup: Annotated[Share, Field(description="share of one-cycle's steps that go up")] = 0.1
    clip: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="largest norm of a step's gradient; 0: unlimited")
    ] = 0.0
    seed: Annotated[int, Field(ge=0, description="of every random draw")] = 0
    limit: Annotated[int | None, Field(ge=2, description="train on this many images, drawn with the seed")] = None

    published_weight: Annotated[
        float | None,
        Field(
            gt=0, allow_inf_nan=False, description="the published weight of the pixel error, for numbers in its scale"
        ),
    ] = None
    published_error: Annotated[
        Literal["bce", "mse", "rmse"] | None, Field(description="the published pixel error, a mean over pixels")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, values: Any) -> Any:
        # People write 1 for 1.0; strictness is for "1" and true.
        if isinstance(values, dict):
            return {k: float(value) if type(value) is int and k in REAL else value for k, value in values.items()}
        return values

    @property
    def lead(self) -> str:
        """The summary, or what kind of model it is."""
        return self.summary or self.posterior_class.model_name

    @property
    def posterior_class(self) -> type[Posterior]:
        """The class that states the facts about this recipe's posterior."""
        return POSTERIORS.get(self.posterior)

    def architecture(self, images: ImageSet) -> Architecture:
        """The model of this recipe for a data set.

        Raises:
            ArmoireError: the images are too small for its network.
        """
        from armoire.model import Architecture

        height, _, image_channels = images.shape
        architecture = Architecture(
            size=height,
            image_channels=image_channels,
            latent=self.latent,
            posterior=self.posterior,
            likelihood=self.likelihood,
            sigma=self.sigma,
            channels=self.channels,
            norm=self.norm,
            activation=self.activation,
            blocks=self.blocks,
        )
        try:
            NETWORKS.get(self.blocks)(architecture)
        except ValueError as error:
            raise ArmoireError(
                f"{error} in recipe {self.name}; give fewer channels, or none (images-vae), to derive the network from "
                "the size"
            ) from None
        return architecture

    def change(self, **settings: Any) -> Recipe:
        """The recipe with some settings changed; None leaves a setting as it is."""
        given = {key: value for key, value in settings.items() if value is not None}
        return parse_recipe(self.model_dump() | given, f"recipe {self.name}") if given else self

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
    """A recipe by name, or from a .toml file.

    Raises:
        ArmoireError: there is none of that name, or its settings are not valid.
    """
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
