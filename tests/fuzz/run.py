"""Fuzz one target with atheris, guided by what its bytes reach.

    python tests/fuzz/run.py image -max_total_time=600

Options are libFuzzer's. What crashed is left in tests/fuzz/cases/TARGET-*, where tests/fuzz/test_cases.py runs it from
then on.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["armoire", "PIL", "tomllib", "zipfile"]):
    from seeds import seeds
    from targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's options say enough."""
    name, *options = sys.argv[1:]
    warnings.simplefilter("ignore")
    cases = Path(__file__).parent / "cases"
    with tempfile.TemporaryDirectory() as corpus:
        for number, content in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(content)
        atheris.Setup(
            [
                sys.argv[0],
                corpus,
                f"-artifact_prefix={cases}/{name}-",
                "-max_len=20000",
                "-rss_limit_mb=3000",
                *options,
            ],
            TARGETS[name],
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
