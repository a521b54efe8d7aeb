"""Translate loss weights of other code to distortion + beta * rate in nats.

A loss w * error + v * KL, its error a mean over the D values of an image, is proportional to distortion + beta * rate:

    binary cross-entropy   distortion = D * bce                              beta = D v / w
    squared error          distortion = D * mse / (2 sigma^2) + const        beta = D v / (2 sigma^2 w)

The second has one free choice, as only the product of sigma^2 and beta matters: with beta = 1 sigma^2 = D v / (2 w); a
calibrated likelihood has sigma^2 = the mean squared error. A sum over an image is D times the mean.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass

from armoire.errors import ArmoireError, did_you_mean

KL = "kl"
#: Names of errors: (kind, whether it is a sum over the image's values instead of a mean).
ERRORS = {"bce": ("bce", False), "sum_bce": ("bce", True), "mse": ("mse", False), "sse": ("mse", True)}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
NUMBER = ""  # the name of a factor of nothing
LONGEST = 200


@dataclass(frozen=True)
class LossWeights:
    """A loss as distortion + beta * rate."""

    error: str  # `bce` or `mse`
    weight: float  # of the mean error over an image's values
    kl_weight: float  # of the KL divergence in nats
    values: int  # D, values in an image

    @property
    def sigma(self) -> float | None:
        """Of the Gaussian for which the loss is the negative ELBO, beta = 1; None for a cross-entropy."""
        return None if self.error == "bce" else math.sqrt(self.values * self.kl_weight / (2 * self.weight))

    def beta(self, sigma: float | None = None) -> float:
        """Weight of the rate, for the Bernoulli likelihood or for a Gaussian with this sigma."""
        if self.error == "bce":
            return self.values * self.kl_weight / self.weight
        if sigma is None:
            raise ValueError("the squared error needs a sigma")
        return self.values * self.kl_weight / (2 * sigma**2 * self.weight)


def parse_loss_weights(text: str, size: int, channels: int, **names: float) -> LossWeights:
    """Read a loss such as `2000*mse`, `500*bce + kl` or `mse + batch/images*kl`; `names` are the values of names in it.

    It is a sum of an error (`bce`, `mse`: means over an image's values; `sum_bce`, `sse`: sums) and `kl`, each with a
    factor; without `kl` its factor is 1.
    """
    factors = _linear(text, names)
    kl = factors.pop(KL, 1.0)
    if len(factors) != 1:
        what = f"{len(factors)} of them" if factors else "none"
        raise ArmoireError(f"--from should hold one error ({', '.join(ERRORS)}), and '{text}' holds {what}")
    name, weight = factors.popitem()
    if not (weight > 0 and kl > 0 and math.isfinite(weight) and math.isfinite(kl)):
        raise ArmoireError(f"the weights in '{text}' should be above 0, not {weight:g} of {name} and {kl:g} of kl")
    error, summed = ERRORS[name]
    values = size * size * channels
    return LossWeights(error, weight * values if summed else weight, kl, values)


def _linear(text: str, names: Mapping[str, float]) -> dict[str, float]:
    """The factor of each error and of kl."""
    try:
        if len(text) > LONGEST:
            raise SyntaxError
        found = _evaluate(ast.parse(text.strip().lower(), mode="eval").body, names)
    except (SyntaxError, RecursionError, ZeroDivisionError, OverflowError, ValueError, TypeError):
        raise ArmoireError(f"--from should be a sum such as 2000*mse or mse + 0.00025*kl, not '{text[:60]}'") from None
    if NUMBER in found:
        raise ArmoireError(f"'{text}' is a number; --from takes a sum such as 2000*mse")
    return found


def _evaluate(node: ast.expr, names: Mapping[str, float]) -> dict[str, float]:
    """Factors by name, or a number; only sums, products with a number, and quotients by a number are allowed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return {NUMBER: float(node.value)}
    if isinstance(node, ast.Name):
        if node.id in names:
            return {NUMBER: float(names[node.id])}
        if node.id not in (known := [*ERRORS, KL, *names]):
            raise ArmoireError(f"no error '{node.id}' in --from; {did_you_mean(node.id, known)}")
        return {node.id: 1.0}
    if isinstance(node, ast.BinOp) and (apply := OPERATORS.get(type(node.op))):
        left, right = _evaluate(node.left, names), _evaluate(node.right, names)
        if isinstance(node.op, ast.Add | ast.Sub) and (NUMBER in left) == (NUMBER in right):
            return {name: apply(left.get(name, 0.0), right.get(name, 0.0)) for name in left | right}
        if isinstance(node.op, ast.Mult) and NUMBER in left:
            left, right = right, left
        if isinstance(node.op, ast.Mult | ast.Div) and NUMBER in right:
            return {name: apply(factor, right[NUMBER]) for name, factor in left.items()}
    raise SyntaxError
