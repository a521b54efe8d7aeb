"""`armoire push`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import Json, RunFolder
from armoire.cli.output import print_json
from armoire.console import terminal_progress


def push(
    run: RunFolder,
    repository: str,
    /,
    *,
    private: Annotated[bool, Parameter(negative="")] = False,
    licence: Annotated[str | None, Parameter(name=["--license", "--licence"])] = None,
    no_figures: Annotated[bool, Parameter(negative="")] = False,
    keep_paths: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Put a run on the Hugging Face Hub, with a card that says what it is and how good; hf:OWNER/NAME names it then.

    The token is that of `hf auth login` or HF_TOKEN. Pictures of data that may not be shown, such as CelebA, never go.

    Args:
        run: folder of a run.
        repository: OWNER/NAME, made where there is none.
        private: make a new repository that only its owner sees; one that is public is then not written to.
        licence: of the weights, as the Hub spells it, such as apache-2.0; by default none is stated.
        no_figures: leave the pictures of RUN/figures out of the card.
        keep_paths: let model.safetensors and recipe.toml say where on this machine the data lie; without it they name
            the last part of the path.
        json: print one JSON object.
    """
    from armoire.publish import push as send
    from armoire.wardrobe import Wardrobe

    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    sent = send(wardrobe, repository, private or None, licence, not no_figures, progress, keep_paths)
    if json:
        told = {"repository": sent.reference.repository, "commit": sent.commit, "private": sent.private}
        print_json(told | {"url": sent.url, "files": sorted(sent.files)})
        return
    progress.note(f"use it as {sent.reference}, for example: armoire sample {sent.reference} --out samples.png")
    print(sent.url)
