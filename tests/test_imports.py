from __future__ import annotations

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
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


def test_help_names_every_command_and_loads_nothing_heavy():
    heavy, said = loaded(HELP)
    assert heavy == []
    for command in (
        *("train", "figures", "evaluate", "sample", "reconstruct", "edit", "morph", "nearest", "encode"),
        *("export", "explore", "data", "recipes", "check"),
    ):
        assert command in said


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_loads_nothing_heavy(command):
    heavy, said = loaded(HELP.replace("'--help'", f"'{command}', '--help'"))
    assert heavy == []
    assert "Example: armoire " in said


@pytest.mark.parametrize(
    ("code", "most"),
    [("import armoire", 100), (HELP, 450), (HELP.replace("'--help'", "'train', '--help'"), 450)],
    ids=["import", "help", "help of a command"],
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


def test_one_method_calls_a_later_layer():
    source = Path(armoire.__file__).parent
    lines = (line.strip() for path in source.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines())
    uses = {line for line in lines if "from_later_layer(" in line and not line.startswith("def ")}
    assert uses == {'return from_later_layer("armoire.publish", "explore")(self, **settings)'}


def imports(file: Path) -> set[str]:
    """The modules that a file imports anywhere, also within functions and for type checkers."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else node.module for name in names}
    return found


PACKAGE = Path(armoire.__file__).parent
MODULES = {
    ".".join(("armoire", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in PACKAGE.rglob("*.py")
}


def test_no_files_import_each_other():
    graph = {name: imports(file) & MODULES.keys() - {name} for name, file in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them
