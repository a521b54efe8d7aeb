"""The verb that teaches a shell to complete armoire's verbs, flags, recipes and runs."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from armoire.errors import ArmoireError


def completion(
    shell: Literal["bash", "zsh", "fish", "powershell"] | None = None,
    /,
    *,
    install: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print what makes a shell complete armoire's commands, or install it.

    Args:
        shell: by default the one this was typed in.
        install: write it to where the shell looks for such files, and say where that is.
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
        raise ArmoireError("which shell this is cannot be told; name it, as in armoire completion bash") from None
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise ArmoireError(
            f"the completion cannot be written to{where} ({error.strerror}); print it without --install, and put it "
            "where your shell looks"
        ) from None
