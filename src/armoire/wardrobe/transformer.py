"""A recipe as a scikit-learn transformer: images in, their places in the latent space out, and back."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from armoire.checks import as_numpy
from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import BLACK, from_array, pad_to_square
from armoire.images.fit import SMALLEST
from armoire.images.inputs import stack_images
from armoire.io.files import write_bytes
from armoire.model.pretrained import FILE
from armoire.progress import SILENT
from armoire.training import Recipe
from armoire.wardrobe.training import train
from armoire.wardrobe.wardrobe import Wardrobe

#: What of a run a pickled estimator carries: what it needs to transform, and no images.
CARRIED = ("recipe.toml", FILE, "history.csv")
ROWS = 1024  # images converted at a time


class ImagesError(ArmoireError, ValueError):
    """Images that do not fit: a ValueError, as scikit-learn has it."""


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Images to their places in the latent space of a model that `fit` trains on them.

    Images are (n, h, w), (n, h, w, c) or flattened (n, h * w * c), c 1 or 3, in any numbers; uint8 images may also have
    alpha, c 2 or 4, or be a list of PIL images or paths of one size. They are trained on in 256 levels: `value_range`
    says which numbers are black and white. Those that are no square, smaller than 16 pixels or of a side that is no
    power of two get a black margin, which `inverse_transform` takes off again.

    A fitted estimator may be copied and pickled: the model travels in it as the bytes of safetensors files.

    Args:
        recipe: the name of a recipe, a .toml file's path, or a Recipe.
        image_shape: (h, w) or (h, w, c) of flattened images; without it they are squares, grey or in colour, as their
            number of values says.
        value_range: the values of black and white; others raise an error. Without it 0 and 255 for uint8, 0 and 1 for
            bool, and for other types the smallest and largest value of all that `fit` sees, to which `transform` clips.
        latent: latent dimensions.
        beta: weight of the rate in distortion + beta * rate.
        epochs: passes over the training images.
        batch: images a step.
        lr: largest learning rate.
        settings: any other settings of the recipe, by name.
        random_state: an int is the recipe's seed: on a CPU the same seed gives the same bits. None and a RandomState
            draw one.
        out: folder of the run, which must be free; by default one that goes when the estimator does.
        device: auto (CUDA where there is a GPU for it, else the CPU), cpu, cuda or mps (untested).

    Attributes:
        wardrobe_: the Wardrobe that was trained. It holds out a tenth of the images, chosen by content, to measure on.
        image_shape_: (h, w, c) of the images.
        value_range_: the values of black and white.
        n_features_in_: values in an image, h * w * c.
        feature_names_in_: names of the columns of X, where it has some.
    """

    n_features_in_: int

    def __init__(
        self,
        recipe: str | Path | Recipe = "images-vae",
        *,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | None = None,
        latent: int | np.integer | None = None,
        beta: float | None = None,
        epochs: int | np.integer | None = None,
        batch: int | np.integer | None = None,
        lr: float | None = None,
        settings: dict[str, Any] | None = None,
        random_state: int | np.integer | np.random.RandomState | None = None,
        out: str | Path | None = None,
        device: str = "auto",
    ) -> None:
        self.recipe = recipe
        self.image_shape = image_shape
        self.value_range = value_range
        self.latent = latent
        self.beta = beta
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.settings = settings
        self.random_state = random_state
        self.out = out
        self.device = device

    def fit(self, X: Any, y: Any = None) -> LatentTransformer:  # noqa: N803
        """Train the recipe on images.

        Args:
            X: the images, at least 2.
            y: not used.

        Raises:
            ValueError: the images do not fit.
            ArmoireError: a setting does not fit, `out` is taken, or training came to a numerical end.
        """
        flat, shape = _flat(X)
        flat: Any = validate_data(self, flat, dtype="numeric", ensure_min_samples=2)
        if shape and self.image_shape and (*shape, 1)[:3] != (*self.image_shape, 1)[:3]:
            raise ImagesError(f"X holds images of {shape}, and image_shape is {tuple(self.image_shape)}; leave it out")
        self.image_shape_ = _image_shape(shape or self.image_shape, flat.shape[1])
        self.value_range_ = _value_range(self.value_range, flat)
        self._layout = (flat.dtype, shape)
        self.wardrobe_ = self._train(self._squares(flat))
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "n d"]:  # noqa: N803
        """Where images belong in the latent space: the mean of q(z|x), float32 (n, latent).

        Raises:
            ValueError: the images are not like those of `fit`.
        """
        check_is_fitted(self)
        flat, shape = _flat(X)
        flat: Any = validate_data(self, flat, dtype="numeric", reset=False)
        if shape and (*shape, 1)[:3] != self.image_shape_:
            raise ImagesError(f"X holds images of {shape}, and fit saw {self.image_shape_} (height, width, channels)")
        return self.wardrobe_.encode(pad_to_square(self._squares(flat), self.wardrobe_.model.architecture.size))

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The images at places of the latent space, of the shape, type and range that `fit` saw.

        Args:
            X: places (n, latent).

        Raises:
            ValueError: they have another number of dimensions.
        """
        check_is_fitted(self)
        z = check_array(X, dtype="float32")
        if z.shape[1] != self._n_features_out:
            raise ImagesError(f"X has {z.shape[1]} features, and the latent space {self._n_features_out} dimensions")
        height, width, _ = self.image_shape_
        made = _middle(_middle(self.wardrobe_.decode(z), self._side, self._side), height, width)
        (low, high), (dtype, shape) = self.value_range_, self._layout
        values = low + made.reshape(len(z), -1)[:, : self.n_features_in_] * ((high - low) / 255)
        values = (values if np.issubdtype(dtype, np.floating) else np.rint(values)).astype(dtype)
        return values.reshape(len(z), *shape) if shape else values

    def _train(self, squares: UInt8[np.ndarray, "n side side c"]) -> Wardrobe:
        settings = {name: getattr(self, name) for name in ("latent", "beta", "epochs", "batch", "lr")}
        settings |= {"seed": _seed(self.random_state)} | (self.settings or {})
        # Grids are often numpy's, and its numbers not those of a recipe's strict settings.
        settings = {name: v.item() if isinstance(v, np.generic) else v for name, v in settings.items()}
        recipe = self.recipe if isinstance(self.recipe, Recipe) else str(self.recipe)
        try:
            with _folder(self.out) as (path, keep):
                return keep(train(recipe, from_array(squares), path, device=self.device, progress=SILENT, **settings))
        except TrainingInterruptedError as error:
            # A grid search would take it for settings that failed, and go on with the next.
            raise KeyboardInterrupt(str(error)) from None

    def _squares(self, flat: np.ndarray) -> UInt8[np.ndarray, "n side side c"]:
        """Validated rows as images in 256 levels, black around those that are no square or too small."""
        (low, high), (height, width, channels) = self.value_range_, self.image_shape_
        self._check_range(flat)
        pixels = np.zeros((len(flat), height * width * channels), np.uint8)
        for start in range(0, len(flat), ROWS):
            values = np.clip(flat[start : start + ROWS].astype(np.float64), low, high)
            pixels[start : start + ROWS, : flat.shape[1]] = np.rint((values - low) * (255 / (high - low)))
        return pad_to_square(pixels.reshape(-1, height, width, channels), self._side)

    def _check_range(self, flat: np.ndarray) -> None:
        (low, high), (least, most) = self.value_range_, (float(flat.min()), float(flat.max()))
        if self.value_range is not None and not low <= least <= most <= high:
            raise ImagesError(f"X holds values from {least:g} to {most:g}, and value_range is {low:g} to {high:g}")
        if least < 2 * low - high or most > 2 * high - low:
            warnings.warn(
                f"X holds values from {least:g} to {most:g}, and fit saw {low:g} to {high:g}, to which they are "
                "clipped; are they scaled alike?",
                stacklevel=3,
            )

    @property
    def _side(self) -> int:
        """Of the squares, before they are padded to a power of two."""
        return max(*self.image_shape_[:2], SMALLEST)

    @property
    def _n_features_out(self) -> int:
        return self.wardrobe_.recipe.latent

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        if (wardrobe := state.get("wardrobe_")) is not None:
            state = state | {"wardrobe_": {name: (wardrobe.run.path / name).read_bytes() for name in CARRIED}}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if files := state.get("wardrobe_"):
            with _folder(None) as (path, keep):
                for name in CARRIED:
                    write_bytes(path / name, files[name])
                # Trained on a GPU, it may be wanted where there is none.
                wardrobe = Wardrobe.open(path, device="cpu" if state["device"] == "cpu" else "auto")
                state = state | {"wardrobe_": keep(wardrobe)}
        super().__setstate__(state)


@contextlib.contextmanager
def _folder(out: str | Path | None) -> Iterator[tuple[Path, Callable[[Wardrobe], Wardrobe]]]:
    """A run's folder, and what to pass its wardrobe through: a temporary one goes when the wardrobe does."""
    if out is not None:
        if Path(out).is_dir() and any(Path(out).iterdir()):
            raise ArmoireError(f"{out} already holds something; give another `out` to each fit, or none")
        yield Path(out), lambda wardrobe: wardrobe
        return
    kept: list[Wardrobe] = []
    temporary = tempfile.mkdtemp(prefix="armoire-")

    def keep(wardrobe: Wardrobe) -> Wardrobe:
        kept.append(wardrobe)
        weakref.finalize(wardrobe, shutil.rmtree, temporary, ignore_errors=True)
        return wardrobe

    try:
        yield Path(temporary) / "run", keep
    finally:
        if not kept:
            shutil.rmtree(temporary, ignore_errors=True)


def _flat(X: Any) -> tuple[Any, tuple[int, ...] | None]:  # noqa: N803
    """Images in rows and their shape, None where they are in rows already."""
    try:
        if isinstance(X, list | tuple) and any(isinstance(x, Image.Image | str | PathLike) for x in X):
            X = stack_images(X, BLACK)  # noqa: N806
        elif isinstance(X, list | tuple) or hasattr(X, "detach"):
            X = as_numpy(X)  # noqa: N806
        if getattr(X, "ndim", 2) not in (3, 4):
            return X, None
        X = np.asarray(X)  # noqa: N806
        if X.ndim == 4 and X.dtype == np.uint8:
            X = stack_images(X, BLACK)  # noqa: N806
    except ArmoireError as error:
        raise ImagesError(str(error)) from None
    return X.reshape(len(X), -1), X.shape[1:]


def _middle(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """What `pad_to_square` put a margin around."""
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def _image_shape(given: Sequence[int] | None, values: int) -> tuple[int, int, int]:
    """Height, width and channels of images with that many values."""
    if given:
        height, width, channels = (*given, 1)[:3]
        if len(given) not in (2, 3) or min(given) < 1 or channels not in (1, 3):
            raise ImagesError(f"images should be (h, w) or (h, w, c) with c 1 or 3, not {tuple(given)}")
        if height * width * channels != values:
            raise ImagesError(f"images of {tuple(given)} have {height * width * channels} values, and X has {values}")
        return int(height), int(width), int(channels)
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if side * side * channels == values:
            return side, side, channels
    side = math.isqrt(values - 1) + 1
    warnings.warn(
        f"{values} values are no square image, grey or in colour: they are laid out in {side} rows of {side}; if they "
        "are images, give image_shape=(h, w) or (h, w, 3)",
        stacklevel=3,
    )
    return side, side, 1


def _value_range(given: Sequence[float] | None, flat: np.ndarray) -> tuple[float, float]:
    """The values of black and white."""
    if given is not None:
        low, high = map(float, given)
        if not low < high or not math.isfinite(high - low):
            raise ImagesError(f"value_range should be two numbers, the smaller first, not {tuple(given)}")
        return low, high
    if flat.dtype in (np.uint8, np.bool_):
        return 0.0, 255.0 if flat.dtype == np.uint8 else 1.0
    low, high = float(flat.min()), float(flat.max())
    return low, high if high > low else low + 1


def _seed(random_state: int | np.integer | np.random.RandomState | None) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
