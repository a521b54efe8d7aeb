"""What the wheel requires: it can be installed next to other libraries, and each extra is declared once."""

from __future__ import annotations

import json
import re
from email.parser import Parser
from pathlib import Path

import pytest
from hatchling import build
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Facts of other distributions' metadata, so that nothing is downloaded.
RECORDED = json.loads((ROOT / "tests/recorded/requirements.json").read_text("utf-8"))
PEERS, RELEASES = RECORDED["peers"], RECORDED["releases"]
FOR_DEVELOPMENT = {"docs", "fuzz", "test"}


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory):
    """The wheel's METADATA."""
    folder = tmp_path_factory.mktemp("metadata")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = build.prepare_metadata_for_build_wheel(str(folder))
    return Parser().parsestr((folder / name / "METADATA").read_text("utf-8"))


def required(metadata, extra: str) -> dict[str, Requirement]:
    """The requirements that hold with an extra, the core's among them, by name."""
    found = map(Requirement, metadata.get_all("Requires-Dist"))
    return {canonicalize_name(r.name): r for r in found if r.marker is None or r.marker.evaluate({"extra": extra})}


@pytest.mark.parametrize("peer", PEERS)
def test_there_is_a_version_of_whatever_is_shared_that_suits_both(metadata, peer):
    shared = 0
    for extra in set(metadata.get_all("Provides-Extra")) - FOR_DEVELOPMENT - {"all"}:
        ours = required(metadata, extra)
        # trackio itself excludes the newest Pillow; armoire does not.
        for theirs in map(Requirement, PEERS[peer]):
            name = canonicalize_name(theirs.name)
            if name not in ours or (theirs.marker and not theirs.marker.evaluate()):
                continue
            both = ours[name].specifier & theirs.specifier
            assert list(both.filter(RELEASES[name])), f"armoire[{extra}] and {peer}: no {name} is {both}"
            shared += 1
    assert shared


def test_the_lower_bounds_allow_several_years_of_releases(metadata):
    for name, oldest in {"torch": "2.6.0", "numpy": "1.26.4", "pillow": "11.3.0", "starlette": "0.40.0"}.items():
        assert required(metadata, "")[name].specifier.contains(oldest)


def test_what_only_some_commands_need_is_an_extra(metadata):
    core = required(metadata, "")
    assert not core.keys() & {"onnx", "onnxruntime", "onnxscript", "zuko", "huggingface-hub"}
    assert {"starlette", "uvicorn"} <= core.keys()  # what was exported opens without extras
    assert required(metadata, "explore").keys() - core.keys() == {"onnx", "onnxruntime", "onnxscript"}
    assert required(metadata, "flow").keys() - core.keys() == {"zuko"}
    for extra in set(metadata.get_all("Provides-Extra")) - FOR_DEVELOPMENT:
        assert required(metadata, extra).keys() <= required(metadata, "all").keys()


def test_the_development_machines_install_what_is_declared(metadata):
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for pin in pinned:
        both = required(metadata, "test")[canonicalize_name(pin.name)].specifier & pin.specifier
        assert list(both.filter(RELEASES[canonicalize_name(pin.name)]))
    installs = [line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "-e '" in line]
    assert installs
    assert all("$(PIP)" in line for line in installs)


def test_every_python_that_is_named_is_allowed(metadata):
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(metadata.get_all("Classifier")), flags=re.MULTILINE)
    assert "3.11" in named
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
