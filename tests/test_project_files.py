"""The files that GitHub, pre-commit and citation tools read: they parse, and agree with the project."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def load(name: str):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_the_workflow_runs_the_two_commands_on_three_systems():
    (job,) = load(".github/workflows/test.yml")["jobs"].values()
    assert [name.split("-")[0] for name in job["strategy"]["matrix"]["os"]] == ["ubuntu", "macos", "windows"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    for command in ("make demo", "make test"):
        assert any(line.startswith(f"{command} ") for line in commands)
    (python,) = (step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_the_hooks_are_the_steps_of_make_lint():
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # nothing is fetched
    makefile = (ROOT / "Makefile").read_text("utf-8")
    steps = {line.removeprefix("\t$(BIN)/").split(" --check")[0].removesuffix(" .") for line in makefile.splitlines()}
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].removesuffix(" --force-exclude") in steps


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.stem
)
def test_an_issue_template_is_a_form(path):
    form = load(str(path))
    assert {"name", "description", "body"} <= form.keys()
    fields = [field["id"] for field in form["body"]]
    assert len(set(fields)) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_citation_is_of_this_version():
    citation = load("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert set(citation["keywords"]) <= set(PROJECT["keywords"])
