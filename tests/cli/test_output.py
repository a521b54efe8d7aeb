"""Tables on stdout."""

from __future__ import annotations

import sys

import pytest

from armoire.cli import output


def test_a_table_has_as_many_columns_as_its_rows(capsys):
    output.print_table([("id", "distance"), ("000012", "0.5")])
    output.print_table([("a", "test", "b"), ("", "x", "")])
    assert capsys.readouterr().out.splitlines() == ["id      distance", "000012  0.5", "a  test  b", "   x"]


@pytest.mark.parametrize("width", [60, 100])
def test_a_table_fits_a_terminal(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    command = "armoire train drawn-faces-vae --data drawn-faces --out runs/drawn-faces-vae-of-mine --resume"
    output.print_table([("found", f"a sentence of many words, {'and more ' * 20}"), ("next", command)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(line.strip() for line in lines if "found" not in line).endswith(command)
