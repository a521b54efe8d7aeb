"""A critic that makes images sharp: it learns what the model's images lack beside real ones, and pulls them there.

A likelihood that judges each pixel alone is best served by the average of all that could have been, which is blurred.
The critic sees neighbourhoods, and no average looks like a photograph. It has two pulls: its verdict (hinge loss, Lim
and Ye 2017, arXiv:1705.02894), and the distance between what it sees in an image and in its reconstruction, layer by
layer (the learned similarity of Larsen et al. 2016, arXiv:1512.09300). So no foreign network is needed, and none that
images are measured by later.
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
from armoire.training.optimizer import pack_optimizer, unpack_optimizer
from armoire.training.randomness import generator

CHANNELS = (32, 64, 128, 128)  # of each convolution; the first sees all pixels, each after it half the resolution
PACE = 0.25  # learning rate of the critic, of the model's
SIMILARITY = 10.0  # weight of the distance between features beside the verdict, as in arXiv:1711.11585
BETAS = (0.5, 0.99)


class Critic(nn.Module):
    """Images to a map of verdicts, above 0 where it looks real; each layer spectrally normalised (arXiv:1802.05957).

    The first convolution sees every pixel: what halves at once is blind to a chequered pattern, and breeds one.
    """

    def __init__(self, image_channels: int, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for before, after in zip([image_channels, *channels], channels, strict=False):
            self.layers.append(spectral_norm(nn.Conv2d(before, after, 3, padding=1)))
        self.verdict = spectral_norm(nn.Conv2d(channels[-1], 1, 1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n 1 s s"], list[Tensor]]:
        """Verdicts on images in [0, 1], and what each layer sees."""
        seen = []
        h = 2 * x - 1
        for k, layer in enumerate(self.layers):
            h = F.leaky_relu(layer(F.avg_pool2d(h, 2) if k else h), 0.2)
            seen.append(h)
        return self.verdict(h), seen


class Adversary:
    """A critic in training beside a model."""

    def __init__(self, image_channels: int, weight: float, seed: int, device: torch.device) -> None:
        """
        Args:
            image_channels: 1 or 3.
            weight: length of its pull on the images, of that of the likelihood's.
            seed: of its initial weights.
            device: where to compute.
        """
        self.weight = weight
        with torch.random.fork_rng(devices=[]):  # spectral_norm takes no generator
            torch.manual_seed(generator(seed, "critic").initial_seed())
            self.critic = Critic(image_channels).to(device)
        self.critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.critic.parameters(), betas=BETAS, fused=device.type != "mps")

    def step(self, x: Float[Tensor, "n c h w"], terms: Terms, likelihood: Likelihood, beta: float, lr: float) -> None:
        """Teach the critic a batch, and leave the gradients of the objective and of its pull in the model's parameters.

        Args:
            x: the images.
            terms: what the model made of them, its graph still there.
            likelihood: the model's.
            beta: weight of the rate.
            lr: the step's learning rate.
        """
        n = len(x)
        real, wanted = self.critic(x)
        fake, seen = self.critic(likelihood.mean(terms.output))
        distances = [(a - b.detach()).abs().mean() for a, b in zip(seen, wanted, strict=True)]
        complaint = SIMILARITY * torch.stack(distances).mean() - fake.mean()
        (pull_of_likelihood,) = torch.autograd.grad(terms.distortion.sum() / n, terms.output, retain_graph=True)
        (pull,) = torch.autograd.grad(complaint, terms.output, retain_graph=True)
        self._teach(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lr)
        length = self.weight * pull_of_likelihood.norm() / pull.norm().clamp(min=1e-12)
        # Both pulls enter the decoder at its output, which is walked through once.
        torch.autograd.backward([terms.output, beta * terms.rate.sum() / n], [pull_of_likelihood + length * pull, None])

    def _teach(self, loss: Tensor, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = PACE * lr
        parameters = list(self.critic.parameters())
        # For its parameters alone: what the loss says of the images is not what pulls them. The graph that it shares
        # with the decoder's output is still needed.
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def pack(self) -> dict[str, Tensor]:
        """All that it needs to go on, for a checkpoint."""
        return {f"critic.{name}": t for name, t in self.critic.state_dict().items()} | pack_optimizer(self.optimizer)

    def unpack(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `pack` took."""
        parts = {"critic": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.critic.load_state_dict(parts["critic"])
        if parts["optimizer"]:  # none before its first step
            unpack_optimizer(self.optimizer, parts["optimizer"])
