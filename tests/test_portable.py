"""`make test-portable` runs each step once for a state of the tree, and says which failed."""

from __future__ import annotations

import sys

import portable
import pytest
from portable import Step


@pytest.fixture
def table(tmp_path, monkeypatch, capsys):
    """Runs some steps and gives the exit code and the outcome of each by name."""
    monkeypatch.setattr(portable, "OUT", tmp_path / "build" / "out")
    monkeypatch.setattr(portable, "ROOT", tmp_path)
    monkeypatch.setattr(portable, "git", lambda *_: b"f")
    (tmp_path / "f").write_text("state")

    def run(*steps: Step) -> tuple[int, dict[str, str]]:
        monkeypatch.setattr(portable, "steps", lambda _: list(steps))
        code = portable.main([])
        lines = capsys.readouterr().out.splitlines()
        return code, {line[:36].strip(): line[36:] for line in lines if not line.endswith(" ...")}

    return run


def step(name: str, code: str, **rest) -> Step:
    return Step(name, ([sys.executable, "-c", code],), **rest)


def test_what_passed_is_not_run_again_until_a_file_changes(table, tmp_path):
    once = step("once", "open('ran', 'a').write('x')")
    absent = Step("absent", absent="not here")
    assert table(once, absent, step("bad", "raise SystemExit(3)"))[0] == 1
    code, outcomes = table(once, absent)
    assert (code, outcomes["absent"]) == (0, "not run: not here")
    assert outcomes["once"].startswith("passed")
    assert (tmp_path / "ran").read_text() == "x"
    (tmp_path / "f").write_text("another state")
    table(once)
    assert (tmp_path / "ran").read_text() == "xx"


def test_a_failure_names_its_log_and_the_time_is_limited(table, tmp_path, monkeypatch):
    bad = step("bad", "import os; print(os.environ['WHY']); raise SystemExit(3)", env={"WHY": "no luck"}, spinning=1)
    code, outcomes = table(bad)
    assert (code, outcomes["bad"]) == (1, "failed: build/out/bad.log")
    assert "no luck" in (tmp_path / outcomes["bad"].removeprefix("failed: ")).read_text()
    monkeypatch.setattr(portable, "MINUTES", 0)
    assert table(step("long", "import time; time.sleep(600)")) == (1, {"long": "out of time: build/out/long.log"})


def test_the_steps_are_those_of_this_machine():
    names = [step.name for step in portable.numerical_steps(["-m", "pytest"])]
    assert "numerical-default-threads-1" in names
    assert {name.rpartition("-")[2] for name in names if "threads" in name} == {"1", "2", "4"}
    assert portable.find_python("2.99") is None
