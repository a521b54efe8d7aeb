"""A recipe as a scikit-learn transformer from images to latents and back."""

from __future__ import annotations

import contextlib
import math
import warnings
import weakref
from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from armoire.checks import as_numpy
from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import BLACK, from_array
from armoire.images.fit import SMALLEST, pad_to_square
from armoire.images.inputs import stack_images
from armoire.images.values import FEW_LEVELS
from armoire.io.files import write_bytes
from armoire.model.pretrained import FILE
from armoire.progress import SILENT
from armoire.training import Recipe
from armoire.wardrobe.latents import encode_images
from armoire.wardrobe.training import train
from armoire.wardrobe.wardrobe import Wardrobe

#: The files of a run in a pickled estimator: what it needs to transform, and no images.
CARRIED = ("recipe.toml", FILE, "history.csv")
ROWS = 1024  # images converted at a time


class ImagesError(ArmoireError, ValueError):
    """Unsuitable images: a ValueError, as scikit-learn raises."""


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Images to latents of a model that `fit` trains on them.

    Images are (n, h, w), (n, h, w, c) or flattened (n, h * w * c), c 1 or 3, of any numeric type; uint8 images may also
    have alpha, c 2 or 4, or be a list of PIL images or paths of one size. Their values are mapped to 256 levels, black
    and white being `value_range`. Images that are not square, smaller than 16 pixels or of a side that is not a power
    of two are padded with black; `inverse_transform` removes the padding.

    A fitted estimator may be copied and pickled; the model is pickled as the bytes of safetensors files.

    Args:
        recipe: the name of a recipe, a .toml file's path, or a Recipe.
        image_shape: (h, w) or (h, w, c) of flattened images; by default squares, grey or in colour.
        value_range: the values of black and white; others raise an error. By default 0 and 255 for uint8, 0 and 1 for
            bool, and for other types the smallest and largest value that `fit` gets, to which `transform` clips.
        latent: latent dimensions.
        beta: weight of the rate in distortion + beta * rate.
        epochs: passes over the training images.
        batch: images per step.
        lr: largest learning rate.
        settings: any other settings of the recipe, by name.
        random_state: an int is the recipe's seed: on a CPU the same seed gives the same bits. None and a RandomState
            draw one.
        out: folder of the run, new or empty; by default a temporary one, deleted with the estimator.
        device: see `Wardrobe.open`.

    Attributes:
        wardrobe_: the trained Wardrobe; a tenth of the images, chosen by content, is held out for measurements.
        image_shape_: (h, w, c) of the images.
        value_range_: the values of black and white.
        n_features_in_: values in an image, h * w * c.
        feature_names_in_: names of the columns of X, if it has any.
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
        """Train the recipe on at least 2 images; `y` is not used.

        Raises:
            ValueError: the images are unsuitable.
            ArmoireError: a setting is invalid, `out` is not empty, or the objective is no longer finite.
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
        """The mean of q(z|x) of each image, float32 (n, latent); images unlike those of `fit` are a ValueError."""
        check_is_fitted(self)
        flat, shape = _flat(X)
        flat: Any = validate_data(self, flat, dtype="numeric", reset=False)
        if shape and (*shape, 1)[:3] != self.image_shape_:
            raise ImagesError(f"X holds images of {shape}, and fit saw {self.image_shape_} (height, width, channels)")
        model = self.wardrobe_.model
        return encode_images(model, pad_to_square(self._squares(flat), model.architecture.size))

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The images decoded from latents (n, latent), of the shape, type and range of those of `fit`."""
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
        # Grids are often NumPy arrays, and a recipe's strict settings take Python's numbers.
        settings = {name: v.item() if isinstance(v, np.generic) else v for name, v in settings.items()}
        recipe = self.recipe if isinstance(self.recipe, Recipe) else str(self.recipe)
        try:
            with contextlib.ExitStack() as stack:
                path = Path(self.out) if self.out else _temporary(stack)
                if path.is_dir() and any(path.iterdir()):
                    raise ArmoireError(f"{path} already holds something; give another `out` to each fit, or none")
                wardrobe = train(
                    recipe,
                    from_array(squares, background="black"),
                    path,
                    device=self.device,
                    progress=SILENT,
                    **settings,
                )
                weakref.finalize(wardrobe, stack.pop_all().close)
                return wardrobe
        except TrainingInterruptedError as error:
            # A grid search would go on with the next settings.
            raise KeyboardInterrupt(str(error)) from None

    def _squares(self, flat: np.ndarray) -> UInt8[np.ndarray, "n side side c"]:
        """Validated rows as images in 256 levels, padded to squares."""
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
        beyond = least < 2 * low - high or most > 2 * high - low
        divided = high - low >= FEW_LEVELS and 0 < max(-least, most) <= 1  # bytes as floats from 0 to 1
        if beyond or divided:
            clipped = ", to which they are clipped" if beyond else ""
            warnings.warn(
                f"X holds values from {least:g} to {most:g}, and fit saw {low:g} to {high:g}{clipped}; "
                "are they scaled alike?",
                stacklevel=3,
            )

    @property
    def _side(self) -> int:
        """Side of the squares, before they are padded to a power of two."""
        return max(*self.image_shape_[:2], SMALLEST)

    @property
    def _n_features_out(self) -> int:
        return self.wardrobe_.recipe.dimensions

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
            with contextlib.ExitStack() as stack:
                path = _temporary(stack)
                for name in CARRIED:
                    write_bytes(path / name, files[name])
                # A model trained on a GPU may be unpickled where there is none.
                wardrobe = Wardrobe.open(path, device="cpu" if state["device"] == "cpu" else "auto")
                weakref.finalize(wardrobe, stack.pop_all().close)
            state = state | {"wardrobe_": wardrobe}
        super().__setstate__(state)


def _temporary(stack: contextlib.ExitStack) -> Path:
    """A run's folder that exists as long as the stack."""
    return Path(stack.enter_context(TemporaryDirectory(prefix="armoire-", ignore_cleanup_errors=True))) / "run"


def _flat(X: Any) -> tuple[Any, tuple[int, ...] | None]:  # noqa: N803
    """Images as rows, and their shape; None if they are rows already."""
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
    """The middle of padded images, the inverse of `pad_to_square`."""
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
