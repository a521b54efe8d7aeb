"""Directions of the latent space along which an attribute changes, fitted to the training images (S21).

    difference   mu_with - mu_without, of the means of q(z|x), as in published attribute vectors.
    partial      row a of the least-squares solution of z = c + sum_a B_a y_a, y_a = +-1: the effect of the attribute
                 with all others held constant, without the effect of correlated attributes.
    logistic     the normal of the logistic classifier that separates images with from images without.

A vector has unit length. A strength of 1 moves by `scale`, one standard deviation of the data's projection on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int8

from armoire.checks import as_latents
from armoire.errors import ArmoireError, did_you_mean
from armoire.io.artifacts import TableFormat
from armoire.progress import SILENT, Progress, Task
from armoire.wardrobe.axes import principal_axes
from armoire.wardrobe.latents import Latents

if TYPE_CHECKING:
    from armoire.training import Run

Method = Literal["difference", "partial", "logistic"]
METHODS: tuple[str, ...] = get_args(Method)
FEWEST = 10  # images with, and images without, needed to fit a direction
AXIS = "axis-"  # and a number from 1: a principal axis
MOST_CLASSES = 50  # whose directions are fitted together
REPLICATES = 200  # bootstrap resamples behind each interval
PENALTY = 1.0  # of the squared weights in the logistic loss, summed over images
SMALLEST_EIGENVALUE = 1e-3  # of the attributes' correlations, relative to the largest: below, they are collinear


@dataclass(frozen=True, eq=False)
class Direction:
    """The direction of an attribute.

    Attributes:
        attribute: its name.
        method: see above; `principal` for an axis.
        vector: float32 (d,), of unit length.
        scale: standard deviation of the training latents' projection on it: the step of strength 1.
        positives: training images known to have the attribute.
        negatives: training images known to lack it.
        separation: difference of the means of the two groups along the vector, in units of scale.
        separation_low: lower end of its 95 % bootstrap interval over images, the vector held fixed.
        separation_high: upper end.
        steadiness: 2.5th percentile of the cosine between the vector and those fitted to bootstrap resamples of the
            images; 1 for a direction that does not depend on the sample.
    """

    attribute: str
    method: str
    vector: Float[np.ndarray, " d"]
    scale: float
    positives: int
    negatives: int
    separation: float
    separation_low: float
    separation_high: float
    steadiness: float

    def move(self, z: Any, strength: float) -> Float[np.ndarray, "n d"]:
        """z + strength * scale * vector, of latents (n, d) or one (d,).

        Raises:
            ArmoireError: the latents have other dimensions, or the latents or the strength are not finite.
        """
        if not np.isfinite(strength):
            raise ArmoireError(f"strength should be a finite number of standard deviations, not {strength}")
        return (as_latents(z, len(self.vector)) + strength * self.scale * self.vector).astype(np.float32)


def fit_directions(
    z: Float[np.ndarray, "n d"], known: dict[str, Int8[np.ndarray, " n"]], method: str, progress: Progress = SILENT
) -> dict[str, Direction]:
    """The direction of every attribute that enough images have and lack, by one method.

    Args:
        z: posterior means of the training images.
        known: each attribute of each image: 1 yes, -1 no, 0 unknown.
        method: `difference`, `partial` or `logistic`.
        progress: where to report.
    """
    names = [name for name, y in known.items() if min((y == 1).sum(), (y == -1).sum()) >= FEWEST]
    if not names:
        return {}
    z = np.ascontiguousarray(z, dtype=np.float32)
    y = np.stack([known[name] for name in names], axis=1).astype(np.float32)
    weights = _resamples(len(z))
    fits = REPLICATES + 1 if method == "partial" else len(names)
    with progress.task(f"fitting directions ({method})", fits, "fits") as task:
        fitted = _METHODS[method](z, y, weights, task)
    found = {}
    for k, name in enumerate(names):
        vector, *refitted = (_unit(each) for each in fitted[:, k])
        steadiness = float(np.quantile(np.stack(refitted) @ vector, 0.025))
        found[name] = _direction(name, method, z, vector, y[:, k], weights, steadiness)
    return found


def class_directions(train: Latents, classes: Sequence[str], progress: Progress = SILENT) -> dict[str, Direction]:
    """The direction of each of the largest classes, against all others; of those that have enough images.

    By `difference`, which for a single class is what `partial` is too.
    """
    sizes = np.bincount(train.labels[train.labels >= 0], minlength=len(classes))
    largest = np.sort(np.argsort(-sizes, kind="stable")[:MOST_CLASSES])
    names = [classes[int(k)] for k in largest]
    known = {name: train.has_label(name, classes) for name in names}
    return fit_directions(train.mean, known, "difference", progress)


def other_direction(train: Latents, name: str, method: str, run: Run, progress: Progress = SILENT) -> Direction:
    """The direction of a class, or of the principal axis `axis-K`, K from 1.

    The positives of a class are its images, the negatives all others. The positives of an axis are the images above
    the mean, the negatives those below; its steadiness is not measured: NaN.

    Raises:
        ArmoireError: there is no such class or axis, or there are too few images of the class.
    """
    data, where, z = run.data, str(run.path), np.ascontiguousarray(train.mean, dtype=np.float32)
    if name in data.classes:
        known = train.has_label(name, data.classes)
        return pick_direction(fit_directions(z, {name: known}, method, progress), name, known, where)
    if name in (f"{AXIS}{k}" for k in range(1, z.shape[1] + 1)):
        axes = principal_axes(z, int(name.removeprefix(AXIS)))
        side = np.where(axes.project(z)[:, -1] > 0, 1, -1).astype(np.float32)
        return _direction(name, "principal", z, axes.vectors[-1], side, _resamples(len(z)), float("nan"))
    if train.attributes:
        train.attribute(name, data.attribute_source)  # raises with a suggestion
    of_classes = f", or name one of its classes ({did_you_mean(name, data.classes)})" if data.classes else ""
    raise ArmoireError(
        f"{where} was trained on {data.name}, which has no attributes; train on data with attributes, such as "
        f"drawn-faces or celeba:PATH{of_classes}, or use a principal axis, {AXIS}1 to {AXIS}{z.shape[1]}"
    )


def _direction(
    name: str, method: str, z: np.ndarray, vector: np.ndarray, y: np.ndarray, weights: np.ndarray, steadiness: float
) -> Direction:
    projection = z @ vector
    scale = max(float(projection.std()), 1e-12)
    separation, separations = (
        _mean_difference(projection[:, None], y, w)[:, 0] / scale for w in (_once(len(z)), weights)
    )
    low, high = np.quantile(separations, [0.025, 0.975])
    counts = (int((y == 1).sum()), int((y == -1).sum()))
    shown = (float(separation[0]), float(low), float(high), steadiness)
    return Direction(name, method, vector.astype(np.float32), scale, *counts, *shown)


def pick_direction(found: dict[str, Direction], attribute: str, known: Int8[np.ndarray, " n"], where: str) -> Direction:
    """One of the fitted directions; raises ArmoireError with the counts if there were too few images."""
    if attribute in found:
        return found[attribute]
    has, lacks = int((known == 1).sum()), int((known == -1).sum())
    raise ArmoireError(
        f"{attribute} holds for {has:,} and does not for {lacks:,} of the labelled training images of {where}, and a "
        f"direction needs at least {FEWEST} of each; choose another attribute, or label more images"
    )


def check_method(method: str) -> None:
    """Raise ArmoireError unless there is such a method."""
    if method not in METHODS:
        raise ArmoireError(f"no method '{method}'; {did_you_mean(method, METHODS)}")


def _to_table(found: dict[str, Direction]) -> pa.Table:
    rows = [asdict(direction) | {"vector": direction.vector.tolist()} for direction in found.values()]
    types = {"attribute": pa.string(), "method": pa.string(), "vector": pa.list_(pa.float32())}
    types |= {"positives": pa.int64(), "negatives": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in Direction.__dataclass_fields__])
    return pa.Table.from_pylist(rows, schema=schema)


def _from_table(table: pa.Table) -> dict[str, Direction]:
    rows = [row | {"vector": np.asarray(row["vector"], np.float32)} for row in table.to_pylist()]
    return {row["attribute"]: Direction(**row) for row in rows}


#: RUN/directions/METHOD.parquet, one row per attribute; another way of fitting is another version.
DIRECTIONS = TableFormat("armoire-directions-1", _to_table, _from_table)


# Each method returns its vectors, of any length, and those of B bootstrap resamples after them: (1 + B, a, d).
def _difference(z: np.ndarray, y: np.ndarray, weights: np.ndarray, task: Task) -> np.ndarray:
    both = (_once(len(z)), weights)
    columns = [np.concatenate([_mean_difference(z, column, w) for w in both]) for column in _each(y.T, task)]
    return np.stack(columns, axis=1)


def _partial(z: np.ndarray, y: np.ndarray, weights: np.ndarray, task: Task) -> np.ndarray:
    return np.stack([_regression(z, y, w) for w in _each([*_once(len(z)), *weights], task)])


def _logistic(z: np.ndarray, y: np.ndarray, weights: np.ndarray, task: Task) -> np.ndarray:
    return np.stack([_normals(z, column, weights) for column in _each(y.T, task)], axis=1)


_METHODS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, Task], np.ndarray]] = {
    "difference": _difference,
    "partial": _partial,
    "logistic": _logistic,
}


def _each(items: Iterable[np.ndarray], task: Task) -> Iterator[np.ndarray]:
    for item in items:
        yield item
        task.advance()


def _regression(z: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least squares of z on all attributes, (a, d), each moment over the images in which it is known.

    Available-case analysis (Little and Rubin, Statistical Analysis with Missing Data, section 3.4): if most attributes
    of most images are unknown, images with all of them known are too few for 200 dimensions.
    """
    known = (y != 0).astype(np.float32)
    weighed, weighed_y = weights[:, None] * known, weights[:, None] * y
    images = np.maximum(weighed.sum(axis=0), 1e-9)
    covariance_zy = (weighed_y.T @ z - (weighed_y.sum(axis=0) / images)[:, None] * (weighed.T @ z)) / images[:, None]
    both = np.maximum(weighed.T @ known, 1e-9)
    means = (weighed_y.T @ known) / both  # of attribute i over the images in which j is also known
    covariance_yy = (weighed_y.T @ y) / both - means * means.T
    # Correlations: a rare attribute has a small variance without being collinear.
    deviations = np.sqrt(np.maximum(np.diag(covariance_yy), 1e-9))
    values, vectors = np.linalg.eigh((covariance_yy / np.outer(deviations, deviations)).astype(np.float64))
    large = values > SMALLEST_EIGENVALUE * values[-1]
    solved = (vectors[:, large] / values[large]) @ (vectors[:, large].T @ (covariance_zy / deviations[:, None]))
    return solved / deviations[:, None]


def _normals(z: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The normal and those of resamples, (1 + B, d), these one Newton step away (Davidson and MacKinnon 1999).

    Both classes have the same total weight. Latents are divided by their largest standard deviation, so that the
    penalty means the same in every model.
    """
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression

    known = y != 0
    x, holds = z[known].astype(np.float64), y[known] > 0
    x = (x - x.mean(axis=0)) / max(float(x.std(axis=0).max()), 1e-12)
    balance = len(x) / (2 * np.where(holds, holds.sum(), (~holds).sum()))
    model = LogisticRegression(C=1 / PENALTY, max_iter=1000).fit(x, holds, sample_weight=balance)
    with_constant = np.column_stack([x, np.ones(len(x))])
    normal = np.append(model.coef_[0], model.intercept_)
    p = expit(with_constant @ normal)
    hessian = (with_constant * (balance * p * (1 - p))[:, None]).T @ with_constant
    hessian += PENALTY * np.diag(np.append(np.ones(x.shape[1]), 1e-6))
    # At the optimum the gradient over all images is 0, which leaves that of images drawn more or less than once.
    slopes = ((weights[:, known] - 1) * (balance * (holds - p))) @ with_constant
    steps = np.linalg.solve(hessian, slopes.T).T
    return np.vstack([normal, normal + steps])[:, :-1]


def _mean_difference(z: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """mu_with - mu_without, (B, d), under each of B weightings of the images."""
    sides = []
    for sign in (1, -1):
        rows = np.flatnonzero(y == sign)
        part = weights[:, rows]
        sides.append(part @ z[rows] / np.maximum(part.sum(axis=1, keepdims=True), 1e-9))
    return sides[0] - sides[1]


def _once(n: int) -> np.ndarray:
    """Weights of 1, (1, n)."""
    return np.ones((1, n), np.float32)


def _resamples(n: int, seed: int = 0) -> np.ndarray:
    """Number of times that each of n images is drawn in each bootstrap resample, (REPLICATES, n)."""
    random = np.random.default_rng(seed)
    return np.stack([np.bincount(random.integers(0, n, n), minlength=n) for _ in range(REPLICATES)]).astype(np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
