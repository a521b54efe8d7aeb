from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from armoire.errors import ArmoireError
from armoire.registry import Registry


@pytest.fixture
def shapes(monkeypatch) -> Registry[type]:
    """Two built-in kinds, and two of an installed package of which one cannot be imported."""
    entries = [
        metadata.EntryPoint(name, value, "shapes") for name, value in (("tree", "array:array"), ("bad", "no.such:x"))
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries if group == "shapes" else [])
    return Registry("shape", "shapes", {"square": "fractions:Fraction", "circle": "decimal:Decimal"})


def test_built_in_installed_and_registered_kinds_are_found_by_name(shapes):
    from array import array
    from decimal import Decimal

    assert shapes.register("mine", int) is int
    assert list(shapes) == shapes.names() == ["square", "circle", "bad", "mine", "tree"]
    assert (shapes.get("circle"), shapes.get("tree"), shapes.get("mine")) == (Decimal, array, int)


def test_what_cannot_be_found_is_told(shapes):
    with pytest.raises(ArmoireError, match="no shape 'sqare'; did you mean 'square'"):
        shapes.get("sqare")
    with pytest.raises(ArmoireError, match="the shape 'bad' cannot be imported: No module named 'no'"):
        shapes.get("bad")
    with pytest.raises(ArmoireError, match="'square' is built in"):
        shapes.register("square", int)


def test_names_are_listed_without_importing_what_they_name():
    code = "import sys; from armoire.registry import Registry; r = Registry('a', 'a', {'x': 'fractions:Fraction'});"
    subprocess.run(
        [sys.executable, "-c", f"{code} assert r.names() == ['x'] and 'fractions' not in sys.modules"], check=True
    )


def test_the_help_lists_the_sources_of_installed_packages(tmp_path):
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[armoire.sources]\nscans = other:SCANS\n")
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "armoire", "data", "--help"]
    assert "scans, or" in subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
