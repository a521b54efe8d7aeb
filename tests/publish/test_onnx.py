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
# The sizes at which networks change; tests/model/test_contract.py has every kind of posterior, likelihood and network.
ARCHITECTURES = {
    "tiny": TINY,
    "large": Architecture(256, 1, 2, "point", channels=(2,) * 6),
    "residual": Architecture(128, 3, 1, channels=(2, 2), norm="group", activation="silu", blocks="residual"),
}


def trained(architecture: Architecture) -> Autoencoder:
    """A model whose biases, scales and running statistics are no longer the initial ones."""
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
    return trained(TINY)


@pytest.fixture(scope="module")
def graph(tiny_model: Autoencoder) -> onnx.ModelProto:
    return module._export(tiny_model, (torch.rand(2, 1, 16, 16), torch.randn(2, 3)), ["mean", "log_var", "image"])


@pytest.fixture
def quick(graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.onnx's part of the export, which takes seconds, is done once."""
    monkeypatch.setattr(module, "_export", lambda *_: graph)


@pytest.fixture
def tiny_pair(tiny_model: Autoencoder, quick: None) -> OnnxPair:
    return export_onnx(tiny_model, facts={"model_sha256": "abc"})


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_onnxruntime_and_pytorch_agree(name: str):
    model = trained(ARCHITECTURES[name])
    a, pair = model.architecture, export_onnx(model)
    for content in (pair.encoder, pair.decoder):
        proto = onnx.load_from_string(content)
        onnx.checker.check_model(proto, full_check=True)
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
        assert proto.ir_version == 8  # with which opset 18 came: older runtimes refuse a newer one
        assert {node.domain for node in proto.graph.node} == {""}
        assert len(proto.functions) == 0
    encoder, decoder = session(pair.encoder), session(pair.decoder)
    names = ["mean", "log_var"] if a.posterior == "gaussian" else ["mean"]
    shape = ["n", a.image_channels, a.size, a.size]
    assert [(i.name, i.type, i.shape) for i in encoder.get_inputs()] == [("x", "tensor(float)", shape)]
    assert [(o.name, o.shape) for o in encoder.get_outputs()] == [(name, ["n", a.latent]) for name in names]
    assert [(i.name, i.type, i.shape) for i in decoder.get_inputs()] == [("z", "tensor(float)", ["n", a.latent])]
    assert [(o.name, o.shape) for o in decoder.get_outputs()] == [("image", shape)]
    for n in (1, 2, 5):
        generator = torch.Generator().manual_seed(n)
        x = torch.rand(n, a.image_channels, a.size, a.size, generator=generator)
        z = torch.randn(n, a.latent, generator=generator)
        with torch.no_grad():
            q, image = model.encode(x), model.decode(z).numpy()
        for name, found in zip(names, encoder.run(None, {"x": x.numpy()}), strict=True):
            np.testing.assert_allclose(found, getattr(q, name).numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(decoder.run(None, {"z": z.numpy()})[0], image, rtol=0, atol=1e-5)
    assert encoder.run(None, {"x": np.zeros((0, *shape[1:]), np.float32)})[0].shape == (0, a.latent)
    assert decoder.run(None, {"z": np.zeros((0, a.latent), np.float32)})[0].shape == (0, *shape[1:])


def test_metadata_has_what_identifies_the_model_and_nothing_of_this_machine(tiny_model, tiny_pair: OnnxPair):
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


def test_equal_weights_give_equal_bytes(tiny_model, tiny_pair: OnnxPair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    other = Autoencoder(TINY)
    other.load_state_dict(tiny_model.state_dict())
    other.to(memory_format=torch.contiguous_format)
    assert export_onnx(other.train(), facts={"model_sha256": "abc"}) == tiny_pair


def test_an_export_changes_neither_model_nor_random_state_and_prints_nothing(capfd, caplog, recorder):
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


def deviate(monkeypatch: pytest.MonkeyPatch, half: str, by: float) -> None:
    """Let onnxruntime's last value of each output of one half deviate."""

    def open_session(content: bytes) -> onnxruntime.InferenceSession:
        opened = session(content)
        run, deviates = opened.run, onnx.load_from_string(content).graph.name == half

        def deviating(names, inputs):
            found = run(names, inputs)
            for values in found if deviates else ():
                values.flat[-1] += by
            return found

        opened.run = deviating
        return opened

    monkeypatch.setattr(module, "open_session", open_session)


@pytest.mark.parametrize("by", [3e-4, -3e-4, float("nan")])
@pytest.mark.parametrize(("half", "output"), [("encoder", "mean"), ("decoder", "image")])
def test_a_difference_from_pytorch_is_an_error_and_nothing_is_written(
    vae_run, tiny_model, quick, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, half: str, output: str, by: float
):
    deviate(monkeypatch, half, by)
    monkeypatch.setattr(module, "_cached_latents", lambda _: None)
    with pytest.raises(ArmoireError, match=rf"{half}'s {output} is (3e-04|nan) away from PyTorch's, .* update onnx"):
        write_onnx(Wardrobe(vae_run.run, tiny_model), tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


def test_large_latents_are_compared_relative_to_their_size(monkeypatch: pytest.MonkeyPatch):
    model = trained(TINY)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter *= 3000
    deviate(monkeypatch, "encoder", 1e-3)
    export_onnx(model)


def test_onnx_may_differ_from_pytorch_where_it_is_nearer_to_the_exact_value(
    tiny_model, quick, monkeypatch: pytest.MonkeyPatch
):
    exact = type(tiny_model).decode
    monkeypatch.setattr(
        type(tiny_model), "decode", lambda model, z: exact(model, z) + 1e-3 * (z.dtype == torch.float32)
    )
    export_onnx(tiny_model)
    deviate(monkeypatch, "decoder", 3e-3)  # ONNX is the farther now
    with pytest.raises(ArmoireError, match=r"decoder's image is (2|4)e-03 away"):
        export_onnx(tiny_model)


def test_given_latents_and_images_are_checked_too(tiny_model, quick):
    z, x = np.zeros((1, 3), np.float32), np.zeros((1, 1, 16, 16), np.float32)
    export_onnx(tiny_model, latents=z, images=x)
    with pytest.raises(ArmoireError, match="decoder's image is nan away"):
        export_onnx(tiny_model, latents=z * np.nan)
    with pytest.raises(ArmoireError, match="encoder's mean is nan away"):
        export_onnx(tiny_model, images=x * np.nan)


def test_a_run_is_written_as_two_files_that_decode_as_it_does(vae_run, tmp_path: Path):
    paths = write_onnx(vae_run, tmp_path / "a" / "folder")
    assert [path.name for path in paths] == ["encoder.onnx", "decoder.onnx"]
    assert sorted((tmp_path / "a" / "folder").iterdir()) == sorted(paths)
    for path in paths:
        facts = facts_of(path.read_bytes())
        assert facts["model_sha256"] == vae_run.run.model_sha256()
        assert (facts["recipe"], facts["data"]) == ("fashion-vae", "discs")
    z = vae_run.latents.mean
    (decoded,) = session(paths[1].read_bytes()).run(None, {"z": z})
    as_bytes = np.rint(decoded * 255).astype(int).transpose(0, 2, 3, 1)
    assert np.abs(as_bytes - vae_run.decode(z)).max() <= 1, "a value between two bytes may be rounded either way"


def test_the_check_uses_cached_latents_and_encodes_no_data(vae_run, tmp_path: Path, monkeypatch):
    run, given = shutil.copytree(vae_run.run.path, tmp_path / "run"), []
    monkeypatch.setattr(module, "export_onnx", lambda _, latents, **__: given.append(latents) or OnnxPair(b"", b""))
    module.export_run(Wardrobe.open(run, device="cpu"))
    (run / "latents.parquet").unlink()
    module.export_run(Wardrobe.open(run, device="cpu"))
    assert (len(given[0]), given[1]) == (50, None)
    assert not (run / "latents.parquet").exists()


def test_an_unwritable_folder_is_reported_before_the_export(vae_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "export_run", lambda *_: pytest.fail("exported in vain"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ArmoireError, match="cannot write"):
        write_onnx(vae_run, tmp_path / "file" / "folder")
