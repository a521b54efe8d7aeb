"""Verbs that let a model out of the house: explore, export, push."""

from __future__ import annotations

import shlex
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import RunFolder
from armoire.cli.terminal import Whole, print_json, terminal_progress
from armoire.errors import ArmoireError

HOST = "127.0.0.1"  # this machine alone


def explore(
    run: RunFolder,
    /,
    *,
    port: Whole | None = None,
    host: str = HOST,
    no_browser: Annotated[bool, Parameter(negative="")] = False,
    export: Path | None = None,
) -> None:
    """Open a run in a browser: walk over its map while the picture under the pointer is made.

    Args:
        run: folder of a run.
        port: where to listen on this machine; by default a free one.
        host: the address to listen on; any but this machine's own lets others see the run's images too.
        no_browser: print the page's address without opening it.
        export: write the same page into this folder, which any web host can serve, and stop; by default it is served.
    """
    from armoire.publish.serve import is_loopback, listen, serve
    from armoire.publish.site import site_files
    from armoire.training import Run

    if export is not None:
        if port is not None or host != HOST:
            raise ArmoireError("--export writes a folder and serves nothing: leave it out, or --port and --host")
        _export_site(run, export)
        return
    if port is not None:
        listen(host, port).close()  # a port that is taken is told before the long work
    progress = terminal_progress()
    files = site_files(Run.open(run, progress), progress)

    def ready(url: str) -> None:
        print(url, flush=True)
        if not is_loopback(host):
            progress.note(
                f"whoever reaches this machine by {host} can see the run's images, without a password and unencrypted"
            )
        progress.note("Ctrl-C ends it")
        if not no_browser:
            # In a thread of its own: a browser in the terminal would keep the server waiting.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    serve(files, port, ready, host)


def _export_site(path: Path, folder: Path) -> None:
    from armoire.publish.site import export_site
    from armoire.training import Run

    progress = terminal_progress()
    run = Run.open(path, progress)
    export_site(run, folder, progress)
    progress.note(
        f"the folder holds names, places and thumbnails of {run.data.name}'s images: see that you may share them; "
        f"to look at it: python3 -m http.server -b 127.0.0.1 -d {shlex.quote(str(folder))}"
    )
    print(folder)


def export(run: RunFolder, /, *, onnx: Path) -> None:
    """Write a run's model as FOLDER/encoder.onnx and FOLDER/decoder.onnx, for programs without PyTorch.

    Both are checked against PyTorch before they are written.

    Args:
        run: folder of a run.
        onnx: FOLDER, made where there is none.
    """
    from armoire.publish import write_onnx
    from armoire.wardrobe import Wardrobe

    for path in write_onnx(Wardrobe.open(run, progress=terminal_progress()), onnx):
        print(path)


def push(
    run: RunFolder,
    repository: str,
    /,
    *,
    private: Annotated[bool, Parameter(negative="")] = False,
    licence: Annotated[str | None, Parameter(name=["--license", "--licence"])] = None,
    no_figures: Annotated[bool, Parameter(negative="")] = False,
    keep_paths: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
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
