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
    *printed, last = answer.stdout.splitlines()
    return json.loads(last), "\n".join(printed)


HELP_OF_ALL = "\n".join(HELP.replace("'--help'", f"'{command}', '--help'") for command in COMMANDS)


@pytest.mark.parametrize(
    "code", ["import armoire; dir(armoire)", HELP, HELP_OF_ALL], ids=["import", "help", "all help"]
)
def test_nothing_heavy_is_loaded(code):
    heavy, printed = loaded(code)
    assert heavy == []
    if code == HELP:
        assert all(f" {command} " in printed for command in COMMANDS)
    if code == HELP_OF_ALL:
        assert printed.count("Example: armoire ") == len(COMMANDS)


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


def test_a_heavy_import_would_be_found():
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
