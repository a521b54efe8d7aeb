from __future__ import annotations

from pathlib import Path
from typing import Literal

from armoire.cli.arguments import Flag
from armoire.errors import ArmoireError


def completion(shell: Literal["bash", "zsh", "fish", "powershell"] | None = None, /, *, install: Flag = False) -> None:
    """Print the script that completes armoire's commands, flags, recipes and runs in your shell, or install it.

    Args:
        shell: by default the current one.
        install: write it where the shell looks for such files, and print that path.
    """
    from cyclopts.completion.detect import ShellDetectionError

    from armoire.cli.app import build
    from armoire.io.files import writing

    try:
        if install:
            with writing(Path.home()):
                print(build().install_completion(shell=shell))
        else:
            print(build().generate_completion(shell=shell), end="")
    except ShellDetectionError:
        raise ArmoireError("the shell cannot be detected; name it, as in armoire completion bash") from None
