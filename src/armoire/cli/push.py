from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import Flag, Json, RunPath
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import print_json


def push(
    run: RunPath,
    repository: str,
    /,
    *,
    private: Flag = False,
    licence: Annotated[str | None, Parameter(name=["--license", "--licence"])] = None,
    no_figures: Flag = False,
    keep_paths: Flag = False,
    json: Json = False,
) -> None:
    """Upload a run to the Hugging Face Hub with a model card; it can be used as hf:OWNER/NAME then.

    Args:
        repository: OWNER/NAME, created if there is none, with the token of `hf auth login` or HF_TOKEN.
        private: create a private repository; nothing is sent to one that is public.
        licence: of the weights, as the Hub spells it, such as apache-2.0; by default none is stated.
        no_figures: leave RUN/figures out of the card; figures of data such as CelebA are never sent.
        keep_paths: keep the folder of the data on this machine in model.safetensors and recipe.toml; without it they
            have the last part of the path only.
    """
    from armoire.publish import push as send

    wardrobe = open_wardrobe(run)
    sent = send(
        wardrobe,
        repository,
        private=private or None,
        licence=licence,
        figures=not no_figures,
        keep_paths=keep_paths,
        progress=wardrobe.progress,
    )
    if json:
        facts = {"commit": sent.commit, "private": sent.private, "url": sent.url, "files": sorted(sent.files)}
        print_json({"repository": sent.reference.repository, **facts})
        return
    wardrobe.progress.note(f"use it as {sent.reference}, as in armoire sample {sent.reference} --out samples.png")
    print(sent.url)
