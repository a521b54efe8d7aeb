"""A critic (discriminator) trained with a model, which makes reconstructions and samples sharper.

A likelihood of independent pixels is maximised by the mean of all plausible images, which is blurred. The critic sees
neighbourhoods. It adds two losses: the hinge loss of its score (Lim and Ye 2017, arXiv:1705.02894), and the distance
between its features of an image and of its reconstruction, layer by layer (the learned similarity of Larsen et al.
2016, arXiv:1512.09300). No pretrained network is involved, in particular none that later measures the images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from armoire.model import Terms
from armoire.model.likelihood import Likelihood
from armoire.training.optimizer_state import pack_optimizer, unpack_optimizer, with_prefix
from armoire.training.randomness import generator

CHANNELS = (32, 64, 128, 128)  # of each convolution; the first sees all pixels, each after it half the resolution
RATE = 0.25  # learning rate of the critic, relative to the model's
SIMILARITY = 10.0  # weight of the feature distance relative to the score, as in arXiv:1711.11585
BETAS = (0.5, 0.99)


class Critic(nn.Module):
    """Images to a map of scores, above 0 where they look real; each layer spectrally normalised (arXiv:1802.05957).

    The first convolution has stride 1: one of stride 2 cannot detect a chequerboard pattern, and so causes one.
    """

    def __init__(self, image_channels: int, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for before, after in zip([image_channels, *channels], channels, strict=False):
            self.layers.append(spectral_norm(nn.Conv2d(before, after, 3, padding=1)))
        self.score = spectral_norm(nn.Conv2d(channels[-1], 1, 1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n 1 s s"], list[Tensor]]:
        """Scores of images in [0, 1], and the features of each layer."""
        features = []
        h = 2 * x - 1
        for k, layer in enumerate(self.layers):
            h = F.leaky_relu(layer(F.avg_pool2d(h, 2) if k else h), 0.2)
            features.append(h)
        return self.score(h), features


class Adversary:
    """A critic, its optimiser, and the gradient it adds: `weight` times as long at the images as the likelihood's."""

    def __init__(self, image_channels: int, weight: float, seed: int, device: torch.device) -> None:
        self.weight = weight
        with torch.random.fork_rng(devices=[]):  # spectral_norm takes no generator
            torch.manual_seed(generator(seed, "critic").initial_seed())
            self.critic = Critic(image_channels).to(device)
        self.critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.critic.parameters(), betas=BETAS, fused=device.type != "mps")

    def step(self, x: Float[Tensor, "n c h w"], terms: Terms, likelihood: Likelihood, beta: float, lr: float) -> None:
        """Train the critic on images and their terms, and add its gradient and the objective's to the model's."""
        n = len(x)
        real, target = self.critic(x)
        fake, features = self.critic(likelihood.mean(terms.output))
        distances = [(a - b.detach()).abs().mean() for a, b in zip(features, target, strict=True)]
        loss = SIMILARITY * torch.stack(distances).mean() - fake.mean()
        (of_likelihood,) = torch.autograd.grad(terms.distortion.sum() / n, terms.output, retain_graph=True)
        (of_critic,) = torch.autograd.grad(loss, terms.output, retain_graph=True)
        self._train(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lr)
        scale = self.weight * of_likelihood.norm() / of_critic.norm().clamp(min=1e-12)
        # Both gradients enter at the decoder's output, so that one backward pass serves both.
        torch.autograd.backward([terms.output, beta * terms.rate.sum() / n], [of_likelihood + scale * of_critic, None])

    def _train(self, loss: Tensor, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * lr
        parameters = list(self.critic.parameters())
        # For its parameters only; the graph that it shares with the decoder's output is still needed.
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def pack(self) -> dict[str, Tensor]:
        """Its state as named tensors, for a checkpoint."""
        return {f"critic.{name}": t for name, t in self.critic.state_dict().items()} | pack_optimizer(self.optimizer)

    def unpack(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state of `pack`."""
        self.critic.load_state_dict(with_prefix(tensors, "critic"))
        unpack_optimizer(self.optimizer, with_prefix(tensors, "optimizer"))
