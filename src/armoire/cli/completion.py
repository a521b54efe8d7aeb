from __future__ import annotations

from typing import Literal

from armoire.cli.arguments import Flag
from armoire.errors import ArmoireError


def completion(
    shell: Literal["bash", "zsh", "fish", "powershell"] | None = None,
    /,
    *,
    install: Flag = False,
) -> None:
    """Print the script that completes armoire's commands in a shell, or install it.

    Args:
        shell: by default the current one.
        install: write it where the shell looks for such files, and print that path.
    """
    from cyclopts.completion.detect import ShellDetectionError

    from armoire.cli.app import build

    app = build()
    try:
        if install:
            print(app.install_completion(shell=shell))
        else:
            print(app.generate_completion(shell=shell), end="")
    except ShellDetectionError:
        raise ArmoireError("the shell cannot be detected; name it, as in armoire completion bash") from None
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise ArmoireError(
            f"the completion cannot be written to{where} ({error.strerror}); print it without --install, and save it "
            "where your shell looks for it"
        ) from None
