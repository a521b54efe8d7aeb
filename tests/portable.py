"""Run the tests as other machines would: other instruction sets, numbers of threads, orders, neighbours and Pythons.

`make test-portable` runs it with the arguments of pytest that `make test` has. A step that passed is recorded in
build/portable/passed.json with the state of the working tree, and not run again for the same state; after MINUTES the
rest is left for the next call. The output of each step is in build/portable/NAME.log.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "portable"
MINUTES = 150
NUMERICAL = ("tests/model", "tests/training", "tests/wardrobe", "tests/measure", "tests/end_to_end")
QUICK = ("tests/model", "tests/images", "tests/training")
PAIRS = (("default", "SSE41"), ("avx2", "AVX2"), ("avx512", "AVX512_CORE"))  # of PyTorch's own kernels and oneDNN's
PYTHONS = ("3.11", "3.12", "3.13")
SPIN = "while True: pass"


@dataclass(frozen=True)
class Step:
    """Commands, run until one fails, next to `spinning` busy processes; `absent` says why this machine cannot."""

    name: str
    commands: tuple[list[str], ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    spinning: int = 0
    absent: str = ""


def steps(suite: list[str]) -> list[Step]:
    """All steps, the shortest kinds first; `suite` is the arguments of Python that run the whole suite."""
    reverse = Step("suite-in-reverse-order", ([sys.executable, *suite],), {"ARMOIRE_TESTS": "reversed"})
    busy = Step("suite-next-to-busy-processes", ([sys.executable, *suite],), spinning=2)
    return [*numerical_steps(suite), *python_steps(), reverse, busy]


def numerical_steps(suite: list[str]) -> Iterator[Step]:
    """Each pair of instruction sets with one thread, and the last pair with 2 and 4 threads and one worker."""
    import torch

    order = [name for name, _ in PAIRS]
    best = torch.backends.cpu.get_cpu_capability().lower()
    have = order.index(best) + 1 if best in order else 1 if platform.machine() in ("x86_64", "AMD64") else 0
    there = PAIRS[:have] or (("default", "DEFAULT"),)  # another architecture has one set of kernels
    for pair in PAIRS[len(there) :]:
        yield Step(f"numerical-{pair[0]}", absent="this processor does not have these instructions")
    for (aten, onednn), threads in [*((pair, 1) for pair in there), (there[-1], 2), (there[-1], 4)]:
        env = {"ATEN_CPU_CAPABILITY": aten, "ONEDNN_MAX_CPU_ISA": onednn, "OMP_NUM_THREADS": str(threads)}
        alone = [] if threads == 1 else ["-n", "1"]
        command = [sys.executable, *suite, *alone, *NUMERICAL]
        yield Step(f"numerical-{aten}-threads-{threads}", (command,), env | {"OMP_WAIT_POLICY": "PASSIVE"})


def python_steps() -> Iterator[Step]:
    """The quick tests on each Python that is on this machine, with the build of torch that this environment has."""
    torch, constraints = f"torch=={metadata.version('torch')}", ROOT / "constraints.txt"
    tests = ["-m", "pytest", "-n", "2", "--dist", "loadfile", *QUICK]
    for version in PYTHONS:
        name, python, venv = f"quick-python-{version}", find_python(version), OUT / f"python{version}"
        if version == platform.python_version().rpartition(".")[0]:
            yield Step(name, ([sys.executable, *tests],))
        elif python is None:
            yield Step(name, absent="there is no such Python on this machine")
        elif not venv.is_dir() and not can_install(python, torch):
            yield Step(name, absent=f"there is no {torch} for it")
        else:
            inside = str(venv / "bin" / "python")
            install = [inside, "-m", "pip", "install", "--quiet", "-e", ".[test]", torch]
            install += ["-c", str(constraints)] if constraints.is_file() else []
            made = ([python, "-m", "venv", str(venv)], install, [inside, *tests])
            yield Step(name, made, {"ARMOIRE_SKIP_WEB": "1"})


def can_install(python: str, requirement: str) -> bool:
    """Whether pip finds a package for a Python; nothing is installed."""
    look = [python, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", requirement]
    return subprocess.run(look, capture_output=True, check=False).returncode == 0


def find_python(version: str) -> str | None:
    """An interpreter of a version such as 3.12: on the PATH, or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    there = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True))]
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in filter(None, there):
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        if found.stdout.strip() == version:  # a shim of pyenv may be there without its Python
            return python
    return None


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def state() -> str:
    """A digest of all files that git does not ignore."""
    listed, digest = git("ls-files", "-coz", "--exclude-standard"), hashlib.sha256()
    for name in sorted(set(listed.split(b"\0")) - {b""}):
        path = ROOT / os.fsdecode(name)
        content = path.read_bytes() if path.is_file() else b""
        digest.update(b"%s\0%d\0" % (name, len(content)) + content)
    return digest.hexdigest()


def run(step: Step, deadline: float) -> str:
    """Run a step: "passed", "failed", or "out of time"."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(step.spinning)]
    try:
        with (OUT / f"{step.name}.log").open("w") as log:
            for command in step.commands:
                log.write(f"$ {' '.join(command)}\n")
                log.flush()
                process = subprocess.Popen(
                    command, cwd=ROOT, env=os.environ | step.env, stdout=log, stderr=log, start_new_session=True
                )
                try:
                    if process.wait(max(0, deadline - time.monotonic())):
                        return "failed"
                except subprocess.TimeoutExpired:
                    return "out of time"
                finally:
                    with contextlib.suppress(ProcessLookupError):  # and everything that it started
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    finally:
        for process in spinning:
            process.kill()
            process.wait()
    return "passed"


def main(suite: list[str]) -> int:
    """Run what has not passed yet, print a table, and return an exit code."""
    OUT.mkdir(parents=True, exist_ok=True)
    record, files, deadline = OUT / "passed.json", state(), time.monotonic() + 60 * MINUTES
    commit = git("rev-parse", "HEAD").decode().strip()
    recorded = json.loads(record.read_text()) if record.is_file() else {}
    passed = recorded["passed"] if recorded.get("files") == files else {}
    table = []
    for step in steps(suite):
        if step.absent or step.name in passed:
            outcome = f"not run: {step.absent}" if step.absent else f"passed, in {passed[step.name]} s"
        else:
            print(f"{step.name} ...", flush=True)  # noqa: T201
            began = time.monotonic()
            outcome = run(step, deadline)
            if outcome == "passed":
                passed[step.name] = round(time.monotonic() - began)
                record.write_text(json.dumps({"commit": commit, "files": files, "passed": passed}, indent=1))
                outcome = f"passed, in {passed[step.name]} s"
            else:
                outcome = f"{outcome}: {OUT.relative_to(ROOT) / step.name}.log"
        table.append((step.name, outcome))
    print("\n".join(f"{name:<36}{outcome}" for name, outcome in table))  # noqa: T201
    return int(any(outcome.startswith(("failed", "out of time")) for _, outcome in table))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
