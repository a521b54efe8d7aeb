from __future__ import annotations

import json
import logging
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from armoire.errors import ArmoireError
from armoire.model import Architecture, Autoencoder
from armoire.publish import OnnxPair, export_onnx, write_onnx
from armoire.publish import onnx as module
from armoire.wardrobe import Wardrobe

TINY = Architecture(16, 1, 3, channels=(4, 8))
# Each value of each setting at least once, and the sizes at which networks change: above 64 residual ones resize.
ARCHITECTURES = {
    "plain": TINY,
    "plain batch": Architecture(16, 3, 5, "gaussian", "gaussian", 0.5, (4, 8), "batch", "leaky_relu"),
    "plain large": Architecture(256, 1, 2, "point", channels=(2,) * 6),
    "residual batch": Architecture(128, 1, 1, "point", channels=(2, 2), norm="batch", blocks="residual"),
    "residual group": Architecture(
        *(32, 3, 6, "gaussian", "calibrated"), channels=(8, 16), norm="group", activation="silu", blocks="residual"
    ),
}


def lived(architecture: Architecture) -> Autoencoder:
    """A model as training leaves one: biases, scales and running statistics are no longer what they began as."""
    generator = torch.Generator().manual_seed(1)
    model, a = Autoencoder(architecture, generator), architecture
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) / 4)
        model.train()
        for _ in range(3):
            x = torch.rand(8, a.image_channels, a.size, a.size, generator=generator)
            model.terms(x, torch.randn(8, a.latent, generator=generator))
    return model.eval()


def session(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def facts_of(content: bytes) -> dict[str, str]:
    return {fact.key: fact.value for fact in onnx.load_from_string(content).metadata_props}


@pytest.fixture(scope="module")
def tiny_model() -> Autoencoder:
    return lived(TINY)


@pytest.fixture(scope="module")
def both(tiny_model: Autoencoder) -> onnx.ModelProto:
    """What torch's part of the export gives, which takes seconds."""
    return module._export(tiny_model, (torch.rand(2, 1, 16, 16), torch.randn(2, 3)), ["mean", "log_var", "image"])


@pytest.fixture(scope="module")
def tiny_pair(tiny_model: Autoencoder, both: onnx.ModelProto) -> OnnxPair:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_export", lambda *_: both)
        return export_onnx(tiny_model, {"model_sha256": "abc"})


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_gives_in_onnxruntime_what_it_gives_in_pytorch(name: str):
    model = lived(ARCHITECTURES[name])
    a = model.architecture
    pair = export_onnx(model)
    for content in (pair.encoder, pair.decoder):
        proto = onnx.load_from_string(content)
        onnx.checker.check_model(proto, full_check=True)
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
        assert {node.domain for node in proto.graph.node} == {""}
        assert len(proto.functions) == 0
    encoder, decoder = session(pair.encoder), session(pair.decoder)
    names = ["mean", "log_var"] if a.posterior == "gaussian" else ["mean"]
    assert [(i.name, i.type, i.shape) for i in encoder.get_inputs()] == [
        ("x", "tensor(float)", ["n", a.image_channels, a.size, a.size])
    ]
    assert [(o.name, o.shape) for o in encoder.get_outputs()] == [(name, ["n", a.latent]) for name in names]
    assert [(i.name, i.type, i.shape) for i in decoder.get_inputs()] == [("z", "tensor(float)", ["n", a.latent])]
    assert [(o.name, o.shape) for o in decoder.get_outputs()] == [("image", ["n", a.image_channels, a.size, a.size])]
    for n in (1, 2, 5):
        generator = torch.Generator().manual_seed(n)
        x = torch.rand(n, a.image_channels, a.size, a.size, generator=generator)
        z = torch.randn(n, a.latent, generator=generator)
        with torch.no_grad():
            q, image = model.encode(x), model.decode(z).numpy()
        for name, found in zip(names, encoder.run(None, {"x": x.numpy()}), strict=True):
            np.testing.assert_allclose(found, getattr(q, name).numpy(), rtol=1e-4, atol=1e-5)
        (found,) = decoder.run(None, {"z": z.numpy()})
        assert np.abs(found - image).max() <= 1e-5
        assert found.min() >= 0
        assert found.max() <= 1


def test_the_cases_cover_every_setting():
    cases = ARCHITECTURES.values()
    assert {a.blocks for a in cases} == {"plain", "residual"}
    assert {a.norm for a in cases} == {"none", "batch", "group"}
    assert {a.activation for a in cases} == {"relu", "leaky_relu", "silu"}
    assert {a.likelihood for a in cases} == {"bernoulli", "gaussian", "calibrated"}
    assert {a.posterior for a in cases} == {"point", "gaussian"}
    assert {a.image_channels for a in cases} == {1, 3}
    assert {16, 256} <= {a.size for a in cases}


def test_the_files_say_what_they_are_and_nothing_of_this_machine(tiny_model, tiny_pair: OnnxPair):
    for content in (tiny_pair.encoder, tiny_pair.decoder):
        facts = facts_of(content)
        assert facts["armoire_version"] == metadata.version("armoire")
        assert facts["model_sha256"] == "abc"
        assert json.loads(facts["architecture"])["size"] == 16
        assert "[0, 1]" in facts["units"]
        for word in ("site-packages", ".py", "/root", "/tmp", str(Path.cwd()), "stack_trace", "pkg.torch"):
            assert word.encode() not in content
    half = sum(p.numel() for p in [*tiny_model.encoder.parameters(), *tiny_model.head.parameters()])
    assert len(tiny_pair.encoder) < 4 * half + 8000, "the weights, once, and little more"
    assert "b'" not in repr(tiny_pair)


def test_equal_weights_give_equal_bytes_from_wherever_they_lie(tiny_model, tiny_pair: OnnxPair):
    other = Autoencoder(TINY)
    other.load_state_dict(tiny_model.state_dict())
    other.to(memory_format=torch.contiguous_format)
    assert export_onnx(other.train(), {"model_sha256": "abc"}) == tiny_pair


def test_the_model_stays_as_it_is_and_nothing_is_said(capfd, caplog, recorder):
    level = logging.getLogger("torch.onnx").level
    model = Autoencoder(TINY).train()
    before = {name: (value.clone(), value.stride()) for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    export_onnx(model, progress=recorder)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name][0])
        assert value.stride() == before[name][1], "still channels last"
    assert torch.equal(torch.get_rng_state(), random)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert (recorder.titles, recorder.done, recorder.notes) == (["exporting"], 2, [])
    assert logging.getLogger("torch.onnx").level == level


class Wrong:
    """A session that is off by a little in one place of what one half gives."""

    def __init__(self, content: bytes, half: str, by: float) -> None:
        self.true, self.by = session(content), by
        self.wrong = onnx.load_from_string(content).graph.name == half
        self.get_inputs, self.get_outputs = self.true.get_inputs, self.true.get_outputs

    def run(self, names, inputs):
        found = self.true.run(names, inputs)
        if self.wrong:
            found[-1].flat[-1] += self.by
        return found


@pytest.mark.parametrize("by", [3e-4, -3e-4, float("nan")])
@pytest.mark.parametrize(("half", "output"), [("encoder", "log_var"), ("decoder", "image")])
def test_a_difference_is_told_and_nothing_written(
    vae_run, both, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, half: str, output: str, by: float
):
    monkeypatch.setattr(module, "open_session", lambda content: Wrong(content, half, by))
    monkeypatch.setattr(module, "_export", lambda *_: both)
    wrote = []
    monkeypatch.setattr(module, "write_bytes", lambda *a: wrote.append(a))
    wardrobe = Wardrobe(vae_run.run, lived(TINY))
    monkeypatch.setattr(module, "_places", lambda _: None)
    with pytest.raises(ArmoireError, match=rf"{half}'s {output} is (3e-04|nan) away from PyTorch's, .* update onnx"):
        write_onnx(wardrobe, tmp_path / "folder")
    assert wrote == []


def test_where_pytorch_is_the_farther_from_exact_onnx_stands(tiny_model, both, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_export", lambda *_: both)
    exact = type(tiny_model).decode

    def astray(by):
        def decode(model, z):
            return exact(model, z) + (by if z.dtype == torch.float32 else 0)

        return decode

    monkeypatch.setattr(type(tiny_model), "decode", astray(1e-3))
    export_onnx(tiny_model)
    # Both away from exact, and ONNX the farther.
    monkeypatch.setattr(module, "open_session", lambda content: Wrong(content, "decoder", 3e-3))
    with pytest.raises(ArmoireError, match=r"decoder's image is (2|4)e-03 away"):
        export_onnx(tiny_model)


def test_what_is_given_is_checked_too(tiny_model, both, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_export", lambda *_: both)
    z, x = np.zeros((1, 3), np.float32), np.zeros((1, 1, 16, 16), np.float32)
    export_onnx(tiny_model, latents=z, images=x)
    with pytest.raises(ArmoireError, match="decoder's image is nan away"):
        export_onnx(tiny_model, latents=z * np.nan)
    with pytest.raises(ArmoireError, match="encoder's mean is nan away"):
        export_onnx(tiny_model, images=x * np.nan)


def test_places_are_compared_by_their_own_size_and_pixels_never():
    ours = np.array([[3000.0, 1.0], [0.5, 0.5]])
    far, near, most = (
        np.array(away) for away in ([[0.01, 0.01], [0, 0]], [[0, 0], [0.01, 0]], [[0, -0.02], [0.01, 0]])
    )
    assert module._error(ours, ours + far, unbounded=True) == pytest.approx(0.01 / 3000)
    assert module._error(ours, ours + near, unbounded=True) == pytest.approx(0.01)
    assert module._error(ours, ours + most, unbounded=False) == pytest.approx(0.02)
    assert np.isnan(module._error(ours, ours * np.nan, unbounded=False))
    with pytest.raises(ValueError, match="same shape"):
        module._error(ours, ours[:1], unbounded=False)


def test_a_run_leaves_two_files(vae_run, tmp_path: Path):
    paths = write_onnx(vae_run, tmp_path / "a" / "folder")
    assert [path.name for path in paths] == ["encoder.onnx", "decoder.onnx"]
    assert sorted((tmp_path / "a" / "folder").iterdir()) == sorted(paths)
    for path in paths:
        facts = facts_of(path.read_bytes())
        assert facts["model_sha256"] == vae_run.run.model_sha256()
        assert (facts["recipe"], facts["data"]) == ("fashion-vae", "discs")
    places = module._places(vae_run)
    assert places is not None
    assert len(places) == 50
    (made,) = session(paths[1].read_bytes()).run(None, {"z": places})
    as_bytes = np.rint(made * 255).astype(int).transpose(0, 2, 3, 1)
    assert np.abs(as_bytes - vae_run.decode(places)).max() <= 1, "a value between two bytes may go to either"


def test_no_data_are_encoded_for_the_check(vae_run, tmp_path: Path):
    run = shutil.copytree(vae_run.run.path, tmp_path / "run")
    assert len(module._places(Wardrobe.open(run, device="cpu"))) == 50
    (run / "latents.parquet").unlink()
    assert module._places(Wardrobe.open(run, device="cpu")) is None
    assert not (run / "latents.parquet").exists()


def test_a_folder_that_cannot_be_is_told_before_the_work(vae_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "export_onnx", lambda *_: pytest.fail("worked in vain"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ArmoireError, match="cannot write"):
        write_onnx(vae_run, tmp_path / "file" / "folder")
