"""Weights that a training starts from: principal components of its images."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from armoire.model import Autoencoder
from armoire.model.components import PrincipalComponents
from armoire.model.kinds import NETWORKS
from armoire.training.batches import Batches
from armoire.training.distributed import DistributedContext
from armoire.training.latent_size import MOST_IMAGES
from armoire.training.parts import Parts
from armoire.training.recipe import Recipe

BATCH = 200


def start_from_components(model: Autoencoder, parts: Parts, recipe: Recipe, distributed: DistributedContext) -> None:
    """Set a new model's weights so that it begins with the principal components of its training images.

    A network without linear maps keeps the weights that it has.
    """
    network = NETWORKS.get(recipe.blocks)
    if not (side := network.map_side(model.architecture.size)):
        return
    rows = np.random.default_rng(recipe.seed).permutation(parts.rows.numpy())[:MOST_IMAGES]

    def components() -> PrincipalComponents:
        return principal_components(parts.train, rows, side, recipe.dimensions, recipe.seed, mirror=bool(recipe.flip))

    found = distributed.from_first(components).to(model.device)
    network.start(model.encoder, model.head, model.decoder, found, recipe.beta)


def principal_components(
    images: Batches, rows: np.ndarray, side: int, most: int, seed: int, *, mirror: bool = False
) -> PrincipalComponents:
    """The principal components of images at int64 rows (n,), averaged down to `side`: `most`, or n - 1.

    With `mirror`, of these and their mirror images.
    """
    from sklearn.decomposition import PCA

    batches = (images.batch(chosen) for chosen in torch.from_numpy(np.sort(rows)).split(BATCH))
    small = [F.adaptive_avg_pool2d(batch, side).cpu() for batch in batches]
    small += [batch.flip(-1) for batch in small] if mirror else []
    x = torch.cat(small).flatten(1).numpy()
    with np.errstate(invalid="ignore"):  # images that are all the same have no variance to explain
        pca = PCA(max(1, min(most, len(x) - 1, x.shape[1])), random_state=seed).fit(x)
    kept = max(1, x.shape[1] - pca.n_components_)
    rest = float(np.square(x - pca.mean_).sum() / (len(x) - 1) - pca.explained_variance_.sum()) / kept
    mean, directions, variances = map(torch.from_numpy, (pca.mean_, pca.components_, pca.explained_variance_))
    return PrincipalComponents(mean.float(), directions.float(), variances.float().clamp(min=1e-8), max(rest, 1e-8))
