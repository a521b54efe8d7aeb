"""Run `armoire` many times without importing torch each time: one process forks for every command line.

A request is a line of JSON on stdin: {"arguments", "cwd", "env", "stdout", "stderr", "trouble"}. "stdout" and "stderr"
are files to write to, "trouble" holds the arguments of trouble.make. The answer is a line of JSON: {"code"}.
armoire is imported before the fork; what depends on a first import is tested with `typed` and `started` of Armoire.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import runpy
import sys
import traceback

import trouble

import armoire

# What takes long to import, and is imported where it is used. None of them starts a thread, which a fork would lose.
WARM = """
    torch._dynamo torch.optim.adam torchmetrics.functional.image scipy.spatial scipy.special sklearn.linear_model
    matplotlib.figure matplotlib.backends.backend_agg pyarrow.parquet safetensors.torch jaxtyping pydantic.main
    pydantic.json_schema pydantic.type_adapter cyclopts PIL.ImageDraw PIL.ImageOps tomllib
    torch.onnx._internal.exporter._core
"""


def run(request: dict) -> int:
    """The exit code of one command line."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        for number, target in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
            os.dup2(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666), number)
        sys.stdin, sys.stdout, sys.stderr = (open(i, "r" if not i else "w", closefd=False) for i in range(3))  # noqa: SIM115
        sys.argv = ["armoire", *request["arguments"]]
        if request.get("trouble"):
            trouble.make(**request["trouble"])
        try:
            runpy.run_module("armoire", run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def warm() -> None:
    """Import what the commands use; not what runs on import, or needs IPython."""
    own = [module.name for module in pkgutil.walk_packages(armoire.__path__, "armoire.")]
    for name in (*WARM.split(), *own):
        if name not in ("armoire.__main__", "armoire.publish.widget"):
            importlib.import_module(name)


def main() -> None:
    """Answer requests until stdin ends."""
    warm()
    for line in sys.stdin:
        sys.stdout.write(json.dumps({"code": run(json.loads(line))}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
