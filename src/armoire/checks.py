"""Arguments of public functions, checked in one place: arrays, latents, counts, temperatures."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float

from armoire.errors import ArmoireError, first_line


def as_numpy(values: Any) -> np.ndarray:
    """A NumPy array of NumPy's, PyTorch's (on any device, with or without gradients) or nested lists of numbers."""
    if isinstance(values, list | tuple):
        values = [_off_device(value) for value in values]
    try:
        return np.asarray(_off_device(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArmoireError(f"cannot convert {type(values).__name__} to an array: {first_line(error)}") from None


def as_latents(z: Any, dimensions: int | None = None, what: str = "latents") -> Float[np.ndarray, "n d"]:
    """Latents as finite float32 (n, d), by default of any d; one latent (d,) becomes (1, d).

    An ArmoireError names them `what`: they are no numbers, of another shape, NaN, or too large for float32.
    """
    given = as_numpy(z)
    if given.dtype.kind not in "fiu":
        raise ArmoireError(f"{what} must be numbers (n, d), not {given.dtype} {given.shape}")
    with np.errstate(over="ignore"):  # refused below
        latents = np.atleast_2d(given).astype(np.float32, copy=False)
    if latents.ndim != 2 or (dimensions is not None and latents.shape[1] != dimensions):
        wanted = "(n, d)" if dimensions is None else f"(n, {dimensions}), as the model has them"
        raise ArmoireError(f"{what} must be {wanted}, not {given.shape}")
    if not (finite := np.isfinite(latents).all(axis=1)).all():
        row = int(np.argmin(finite))
        value = latents[row][~np.isfinite(latents[row])][0]
        others = f", and {int((~finite).sum()) - 1:,} more rows are like it" if (~finite).sum() > 1 else ""
        raise ArmoireError(f"{what} must be finite numbers, but row {row} holds {value}{others}; leave such rows out")
    return latents


def as_latent(z: Any, dimensions: int | None = None, what: str = "a latent") -> Float[np.ndarray, " d"]:
    """One latent (d,); errors as `as_latents`."""
    latents = as_latents(z, dimensions, what)
    if len(latents) != 1:
        raise ArmoireError(f"{what} must be one latent (d,), not {len(latents)}")
    return latents[0]


def check_count(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`, or an ArmoireError."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
        raise ArmoireError(f"{name} must be a whole number, {least} or more, not {value}")
    return int(value)


def check_temperature(temperature: float, name: str = "temperature") -> None:
    """Raise ArmoireError unless a temperature is above 0 and finite."""
    if not 0 < temperature < float("inf"):  # refuses NaN too
        raise ArmoireError(f"{name} should be above 0 (1 changes nothing), not {temperature}")


def _off_device(values: Any) -> Any:
    # By its attributes, not its class: images are read without torch.
    return values.detach().cpu() if hasattr(values, "detach") else values
