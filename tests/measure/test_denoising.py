from __future__ import annotations

import pytest
import torch

from armoire import evaluate, train
from armoire.measure.denoising import KINDS, LEVELS, mask, measure_denoising, salt_and_pepper


def test_noise_changes_the_share_of_pixels_asked_for():
    x, draws = torch.full((50, 3, 32, 32), 0.4), torch.Generator().manual_seed(0)
    noisy = salt_and_pepper(x, 0.3, draws)
    assert (noisy == 0).float().mean() == pytest.approx(0.15, abs=0.01)
    assert (noisy == 1).float().mean() == pytest.approx(0.15, abs=0.01)
    masked = mask(x, 0.3, draws)
    assert (masked == 0).float().mean() == pytest.approx(0.3, abs=0.01)
    for made in (noisy, masked):
        hit = made != x
        assert torch.equal(hit[:, 0], hit[:, 1])
        assert torch.equal(hit[:, 0], hit[:, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_no_noise_changes_nothing_and_draws_repeat(kind):
    x = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(KINDS[kind](x, 0.0, torch.Generator().manual_seed(1)), x)
    one, other = (KINDS[kind](x, 0.3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, other)
    assert 0 <= one.min() <= one.max() <= 1


def test_every_kind_and_level_is_measured(tiny, discs, tmp_path):
    wardrobe = train(tiny("fashion-dae", noise=0.3), discs(n=80, test=40), tmp_path / "r", device="cpu")
    evaluation = evaluate(wardrobe, denoising=True)
    found = evaluation.denoising
    assert found == measure_denoising(wardrobe.model, wardrobe.images.split("test"), 0.3)
    assert {kind: tuple(row["level"] for row in rows) for kind, rows in found["levels"].items()} == LEVELS
    assert [row["level"] for rows in found["levels"].values() for row in rows if row["seen"]] == [0.3]
    for rows in found["levels"].values():
        noisy = [row["noisy_psnr_db"] for row in rows]
        assert noisy == sorted(noisy, reverse=True)
    for name, value in found["clean"].items():
        assert value == pytest.approx(evaluation.reconstruction[name], abs=1e-6)
    assert evaluate(wardrobe).denoising is None
