from __future__ import annotations

import math
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from armoire.cli.arguments import Count, Json
from armoire.cli.output import print_json, print_table


def beta(
    *,
    loss: Annotated[str, Parameter(name="--from")],
    size: Count,
    channels: Count = 3,
    mse: Annotated[float | None, Parameter(validator=Number(gt=0, lt=math.inf))] = None,
    batch: float | None = None,
    images: float | None = None,
    json: Json = False,
) -> None:
    """Translate a loss weight of another system into beta and sigma.

    Args:
        loss: a sum of an error and kl, each with a factor: bce and mse are means over an image's values, sum_bce and
            sse sums; kl counts once if it is absent. As "2000*mse", "500*bce", "0.5*sse + kl", "mse + batch/images*kl".
        size: side of the images in pixels.
        channels: 1 for grey images, 3 for colour.
        mse: the mean squared error that the model reaches, for pixels from 0 to 1, from which the beta of a calibrated
            decoder follows; by default that is given as a formula.
        batch: value of `batch` in the sum; by default it may not occur there.
        images: value of `images` in the sum; by default it may not occur there.
    """
    from armoire.training.loss_weights import parse_loss_weights

    names = {name: value for name, value in (("batch", batch), ("images", images)) if value is not None}
    found = parse_loss_weights(loss, size, channels, **names)
    if found.error == "bce":
        translation = {"likelihood": "bernoulli", "beta": found.beta()}
        flags = f"--likelihood bernoulli --beta {found.beta():.6g}"
        rows = [("is", f"a Bernoulli likelihood with beta {found.beta():.6g}")]
    else:
        translation = {"likelihood": "gaussian", "sigma": found.sigma, "beta": 1.0, "beta_at_sigma_1": found.beta(1.0)}
        flags = f"--likelihood gaussian --set sigma={found.sigma:.6g} --beta 1"
        calibrated = "D / (2 w mse): give --mse for the number"
        if mse is not None:
            sigma, at_sigma = math.sqrt(mse), found.beta(math.sqrt(mse))
            translation |= {"sigma_calibrated": sigma, "beta_calibrated": at_sigma}
            calibrated = f"{at_sigma:.6g}, sigma being {sigma:.4g}"
        rows = [
            ("is", f"a Gaussian likelihood with sigma {found.sigma:.6g} of 1 and beta 1"),
            ("or", f"with sigma 1 and beta {found.beta(1.0):.6g}"),
            ("calibrated", f"beta {calibrated}"),
        ]
    if json:
        print_json({"loss": loss, **translation, "values": found.values, "flags": flags})
        return
    images_of = f"on images of {size} x {size} x {channels}, {found.values:,} values"
    print_table([("loss", f"{loss}, {images_of}"), *rows, ("flags", f"armoire train RECIPE {flags}")])
