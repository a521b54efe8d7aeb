"""The commands, imported when they are called, and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import metadata

from cyclopts import App, CycloptsError

from armoire.errors import ArmoireError, TrainingInterruptedError

# Each is the function of that name in the module of that name: (help, example).
COMMANDS = {
    "train": (
        "Train a recipe on a data set, and write a run: a folder with everything needed to use the model.",
        "armoire train images-vae --data my-photos/ --size 64 --latent 32",
    ),
    "figures": (
        "Draw figures of a run, and its report.html.",
        "armoire figures runs/fashion-vae latent-by-label samples",
    ),
    "evaluate": (
        "Measure a run on images it was not trained on.",
        "armoire evaluate runs/fashion-vae --json",
    ),
    "doctor": (
        "Report what is wrong with a run, why, and which command fixes it.",
        "armoire doctor runs/fashion-vae",
    ),
    "sweep": (
        "Train a recipe at several betas: rate against distortion, as a curve and a table.",
        "armoire sweep fashion-vae --beta 0.1,0.5,1,2,4,8",
    ),
    "beta": (
        "Translate a loss weight of another system into beta and sigma.",
        'armoire beta --from "2000*mse" --size 64 --channels 3',
    ),
    "sample": (
        "Generate images from latents drawn from a prior.",
        "armoire sample runs/fashion-vae -n 30 --out samples.png",
    ),
    "prior": (
        "Fit a prior to the training images' latents, from which samples are drawn then.",
        "armoire prior runs/fashion-ae --kind flow",
    ),
    "reconstruct": (
        "Reconstruct image files, and save the originals above the reconstructions.",
        "armoire reconstruct runs/fashion-vae shoe.png --out shoe-again.png",
    ),
    "edit": (
        "Give an image more or less of an attribute, such as a smile, and save a strip of the edits.",
        "armoire edit runs/drawn-faces-vae me.png --attribute Smiling --strength -2,2 --out smiles.png",
    ),
    "morph": (
        "Interpolate between two images, in steps side by side or as an animation.",
        "armoire morph runs/fashion-vae shoe.png shirt.png --steps 24 --out shoe-to-shirt.gif",
    ),
    "nearest": (
        "Find the images of a run's data set that are nearest to an image in the latent space.",
        "armoire nearest runs/fashion-vae shoe.png -n 3",
    ),
    "encode": (
        "Write the latents of a data set as Parquet: one file, or a folder of shards for huge sets.",
        "armoire encode runs/fashion-vae fashion-mnist --out latents.parquet",
    ),
    "export": (
        "Write a run's model as two ONNX files, encoder and decoder, for programs without PyTorch.",
        "armoire export runs/fashion-vae --onnx fashion-onnx/",
    ),
    "push": (
        "Upload a run to the Hugging Face Hub with a model card; it can be used as hf:OWNER/NAME then.",
        "armoire push runs/fashion-vae OWNER/fashion-vae --private",
    ),
    "explore": (
        "Open a run in a browser: explore its map while the picture under the pointer is decoded.",
        "armoire explore runs/fashion-vae",
    ),
    "data": (
        "Read a data set and describe it.",
        "armoire data my-photos/ --size 64",
    ),
    "recipes": (
        "List the recipes, or print one as TOML that can be changed and given to train.",
        "armoire recipes fashion-vae",
    ),
    "cache": (
        "List what armoire stores outside of runs, with sizes, or remove it.",
        "armoire cache --clear",
    ),
    "check": (
        "Report versions, devices and caches, and what is missing and how to install it.",
        "armoire check",
    ),
    "completion": (
        "Complete armoire's commands, flags, recipes and runs in your shell.",
        "armoire completion bash --install",
    ),
}


def build() -> App:
    """The program and its commands."""
    app = App(
        name="armoire",
        help="Train autoencoders and VAEs on your own images; explore, edit, measure and share their latent space.",
        version=lambda: metadata.version("armoire"),
        help_format="plaintext",
        result_action="return_value",
    )
    for command, (does, example) in COMMANDS.items():
        app.command(f"armoire.cli.{command}:{command}", name=command, help=does, help_epilogue=f"Example: {example}")
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run `armoire` and leave with its exit code: 0 done, 2 for the user to fix, 130 interrupted, 1 a bug of ours."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _interrupt)
    # Errors of the Hub are reported once, by us.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        if arguments:
            build()(arguments, exit_on_error=False, print_error=False)
        else:
            _greet()
        sys.stdout.flush()
    except CycloptsError as error:
        _leave(2, " ".join(str(error).split()))
    except ArmoireError as error:
        _leave(2, str(error))
    except TrainingInterruptedError as stop:
        _leave(130, str(stop))
    except KeyboardInterrupt:
        _leave(130, "interrupted")
    except BrokenPipeError:
        # The reader of a pipe is gone, which is no error; Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _greet() -> None:
    from armoire.cli.greeting import greet

    greet()


def _interrupt(_number: int, _frame: object) -> None:
    # As Ctrl-C does, so that cleanup runs.
    raise KeyboardInterrupt


def _leave(code: int, sentence: str) -> None:
    if "LOCAL_RANK" in os.environ:
        _leave_together(code, sentence)
    print(f"armoire: {sentence}", file=sys.stderr)
    sys.exit(code)


def _leave_together(code: int, sentence: str) -> None:
    """Exit as one of torchrun's processes; only one reports the reason."""
    for number in (signal.SIGINT, signal.SIGTERM):  # torchrun's, as soon as one has exited
        signal.signal(number, signal.SIG_IGN)
    from armoire.training.distributed import may_tell

    if may_tell():
        print(f"armoire: {sentence}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not sys.exit: torch.distributed could wait for a process that is gone.
    os._exit(code)
