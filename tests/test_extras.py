from importlib import metadata

import pytest

from armoire import ArmoireError
from armoire.extras import FOR_DEVELOPMENT, extras, install_command, installed, missing_extra, needs, requirements

DECLARED = [
    "numpy>=2",
    'hub-client<3,>=2; extra == "hub"',
    "onnx>=1; (python_version >= '3.11') and extra == 'explore'",
    "runtime[cpu]>=1; extra == 'explore'",
    "hubris; extra == 'hubris'",
    "armoire[explore,hub]; extra == 'all'",
]


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: DECLARED)


def test_what_an_extra_installs(declared):
    assert requirements("hub") == ["hub-client<3,>=2"]
    assert requirements("all") == ["onnx>=1", "runtime[cpu]>=1", "hub-client<3,>=2"]
    assert install_command("explore") == 'pip install "onnx>=1" "runtime[cpu]>=1"'
    assert installed("explore").startswith("missing; pip install") or installed("explore").startswith("onnx ")


def test_the_sentence_names_what_needs_it_and_the_command(declared):
    error = missing_extra("hf:a/b", "hub", "or give a folder")
    assert str(error) == 'hf:a/b needs armoire[hub]; install it with: pip install "hub-client<3,>=2"; or give a folder'
    sentence = r"^It needs armoire\[hub\] \(No module named 'no_such'\); install it with: pip"
    with pytest.raises(ArmoireError, match=sentence), needs("It", "hub"):
        import no_such  # noqa: F401  # pyright: ignore[reportMissingImports]


@pytest.mark.parametrize("requires", [lambda _: None, lambda _: metadata.distribution("no-such-package")])
def test_without_metadata_the_command_is_that_of_a_checkout(monkeypatch, requires):
    monkeypatch.setattr(metadata, "requires", requires)
    assert install_command("hub") == 'pip install -e ".[hub]" in a checkout of armoire'


def test_every_extra_of_this_package_can_be_installed():
    assert {"explore", "flow", "hub", "measure", "neighbours", "notebook"} <= set(extras())
    assert {"ray", "tensorboard", "trackio", "wandb"} <= set(extras())
    assert not FOR_DEVELOPMENT & set(extras())
    for extra in extras():
        assert requirements(extra)
        assert "armoire" not in install_command(extra)  # no index has it
