from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import armoire
from armoire.cli.app import COMMANDS

HEAVY = [
    *("torch", "matplotlib", "pyarrow", "pydantic", "scipy", "onnx", "onnxruntime", "starlette", "uvicorn"),
    *("IPython", "ipywidgets", "anywidget"),
    *("numpy", "PIL", "sklearn", "torchmetrics", "jaxtyping", "jinja2", "safetensors", "usearch"),
]
HELP = "import armoire.cli\ntry:\n    armoire.cli.main(['--help'])\nexcept SystemExit:\n    pass"


def loaded(code: str) -> tuple[list[str], str]:
    """Which heavy packages a fresh Python has loaded after some code, and what the code printed."""
    end = f"import json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\n{end}"], capture_output=True, text=True, check=True, timeout=60
    )
    *said, last = answer.stdout.splitlines()
    return json.loads(last), "\n".join(said)


@pytest.mark.parametrize("code", ["import armoire", "import armoire.cli", "import armoire; dir(armoire)"])
def test_importing_loads_nothing_heavy(code):
    assert loaded(code)[0] == []


def test_help_names_every_verb_and_loads_nothing_heavy():
    heavy, said = loaded(HELP)
    assert heavy == []
    for verb in (
        *("train", "figures", "evaluate", "sample", "reconstruct", "edit", "morph", "nearest", "encode"),
        *("export", "explore", "data", "recipes", "check"),
    ):
        assert verb in said


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_the_help_of_a_verb_loads_nothing_heavy(verb):
    heavy, said = loaded(HELP.replace("'--help'", f"'{verb}', '--help'"))
    assert heavy == []
    assert "Example: armoire " in said


@pytest.mark.parametrize(
    ("code", "most"),
    [("import armoire", 100), (HELP, 450), (HELP.replace("'--help'", "'train', '--help'"), 450)],
    ids=["import", "help", "help of a verb"],
)
def test_starting_loads_few_modules(code, most):
    """Starting takes as long as its modules take to load, and their number does not depend on the machine."""
    assert modules(code) - modules("pass") < most


def modules(code: str) -> int:
    """How many modules a fresh Python has loaded after some code."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(len(sys.modules))"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()[-1])


def test_the_probe_would_notice_a_heavy_import():
    assert loaded("import armoire; armoire.load_recipe")[0] != []


def test_every_public_name_is_there():
    assert all(getattr(armoire, name).__name__ == name for name in armoire.__all__)
    assert set(armoire.__all__) <= set(dir(armoire))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'wardrobes'"):
        armoire.wardrobes


def test_one_method_leads_to_a_later_room():
    source = Path(armoire.__file__).parent
    lines = (line.strip() for path in source.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines())
    uses = {line for line in lines if "in_a_later_room(" in line and not line.startswith("def ")}
    assert uses == {'return in_a_later_room("armoire.publish", "explore")(self, **settings)'}
