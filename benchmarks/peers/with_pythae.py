"""pythae's VAE and its trainer, with the same network given to it."""

from __future__ import annotations

import tempfile
from importlib.metadata import version

import torch
from laps import SEED, Job, Lap, data, serve, timed
from plain_torch import as_keras_begins, decoder_body, encoder_body, features
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn


class Encoder(BaseEncoder):
    """The body, and a head each for mean and log-variance."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.body = encoder_body(job)
        self.embedding = nn.Linear(features(job), job.latent)
        self.log_covariance = nn.Linear(features(job), job.latent)

    def forward(self, x: Tensor) -> ModelOutput:
        """As pythae wants it."""
        h = self.body(x)
        return ModelOutput(embedding=self.embedding(h), log_covariance=self.log_covariance(h))


class Decoder(BaseDecoder):
    """The body and a sigmoid."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.body = decoder_body(job)

    def forward(self, z: Tensor) -> ModelOutput:
        """As pythae wants it."""
        return ModelOutput(reconstruction=torch.sigmoid(self.body(z)))


def make(job: Job, act: str) -> Lap:
    """Laps of its trainer's epochs, or of encoding."""
    torch.manual_seed(SEED)
    shape = (job.image_channels, job.size, job.size)
    # Its squared error is weighted 1/2, that is sigma^2 = 1; the work is the same.
    loss = "bce" if job.sigma2 is None else "mse"
    config = VAEConfig(input_dim=shape, latent_dim=job.latent, reconstruction_loss=loss)
    model = VAE(config, Encoder(job), Decoder(job))
    as_keras_begins(model)
    x = torch.from_numpy(data(job)).permute(0, 3, 1, 2).float().div(255).contiguous()
    settings = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        num_epochs=1,
        learning_rate=job.lr,
        per_device_train_batch_size=job.batch,
        seed=SEED,
        no_cuda=True,
    )
    trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), None, settings)
    trainer.prepare_training()

    def train() -> float:
        # What its `train` does after an epoch, saving above all, is left out of its time.
        return float(trainer.train_step(epoch=1))

    @torch.no_grad()
    def encode() -> None:
        model.eval()
        for start in range(0, len(x), 500):  # its own `embed` decodes too
            model.encoder(x[start : start + 500]).embedding.numpy()

    return lambda: timed(train if act == "train" else encode)


serve({"pythae": version("pythae"), "torch": torch.__version__}, make)
