"""A plain PyTorch loop with a DataLoader."""

from __future__ import annotations

import platform

import torch
from laps import SEED, Job, Lap, data, serve, timed
from plain_torch import Plain
from torch.utils.data import DataLoader, TensorDataset


def make(job: Job, act: str) -> Lap:
    """Laps of training, or of encoding."""
    torch.manual_seed(SEED)
    model = Plain(job)
    x = torch.from_numpy(data(job)).permute(0, 3, 1, 2).float().div(255).contiguous()
    optimizer = torch.optim.Adam(model.parameters(), lr=job.lr)

    def train() -> float:
        total, steps = 0.0, 0
        for (batch,) in DataLoader(TensorDataset(x), job.batch, shuffle=True):
            loss = model(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, steps = total + loss.item(), steps + 1
        return total / steps

    @torch.no_grad()
    def encode() -> None:
        model.eval()
        for (batch,) in DataLoader(TensorDataset(x), 500):
            model.mean(model.encoder(batch)).numpy()

    return lambda: timed(train if act == "train" else encode)


serve({"torch": torch.__version__, "python": platform.python_version()}, make)
