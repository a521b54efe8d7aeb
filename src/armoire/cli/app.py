"""The verbs, loaded when they are called, and how the program ends."""

from __future__ import annotations

import os
import signal
import sys
from importlib import metadata

from cyclopts import App, CycloptsError

from armoire.errors import ArmoireError, TrainingInterruptedError

# command, a module and its function of that name: (what it does, an example)
COMMANDS = {
    "train": (
        "Train a recipe on a data set and leave a run behind: a folder with everything needed to use the model.",
        "armoire train images-vae --data my-photos/ --size 64 --latent 32",
    ),
    "figures": (
        "Draw what a run looks like, and its report.html.",
        "armoire figures runs/fashion-vae latent-by-label samples",
    ),
    "evaluate": (
        "Measure a run on images it was not trained on.",
        "armoire evaluate runs/fashion-vae --json",
    ),
    "doctor": (
        "Say in plain words what is wrong with a run, why, and which command mends it.",
        "armoire doctor runs/fashion-vae",
    ),
    "sweep": (
        "Train a recipe at several betas: what a nat of rate buys, as a curve and a table.",
        "armoire sweep fashion-vae --beta 0.1,0.5,1,2,4,8",
    ),
    "beta": (
        "Translate a loss weight of another system into beta and sigma.",
        'armoire beta --from "2000*mse" --size 64 --channels 3',
    ),
    "sample": (
        "Make new images from places drawn at random.",
        "armoire sample runs/fashion-vae -n 30 --out samples.png",
    ),
    "prior": (
        "Fit a prior to where the training images lie: samples are drawn from it from then on.",
        "armoire prior runs/fashion-ae --kind flow",
    ),
    "reconstruct": (
        "Put image files through a run and save originals (as fitted) above reconstructions.",
        "armoire reconstruct runs/fashion-vae shoe.png --out shoe-again.png",
    ),
    "edit": (
        "Give an image file more or less of an attribute, such as a smile, and save a strip of what comes of it.",
        "armoire edit runs/drawn-faces-vae me.png --attribute Smiling --strength -2,2 --out smiles.png",
    ),
    "morph": (
        "Turn one image file into another, in steps side by side or as a film.",
        "armoire morph runs/fashion-vae shoe.png shirt.png --steps 24 --out shoe-to-shirt.gif",
    ),
    "nearest": (
        "Find the images of a run's data set that lie nearest to an image file in the latent space.",
        "armoire nearest runs/fashion-vae shoe.png -n 3",
    ),
    "encode": (
        "Write where every image of a data set lies, as Parquet: one file, or a folder of shards for huge sets.",
        "armoire encode runs/fashion-vae fashion-mnist --out latents.parquet",
    ),
    "export": (
        "Write a run's model as two ONNX files, encoder and decoder, for programs without PyTorch.",
        "armoire export runs/fashion-vae --onnx fashion-onnx/",
    ),
    "push": (
        "Put a run on the Hugging Face Hub, with a card that says what it is; hf:OWNER/NAME names it then.",
        "armoire push runs/fashion-vae OWNER/fashion-vae --private",
    ),
    "explore": (
        "Open a run in a browser: walk over its map while the picture under the pointer is made.",
        "armoire explore runs/fashion-vae",
    ),
    "data": (
        "Read a data set in, if that is not done yet, and describe it.",
        "armoire data my-photos/ --size 64",
    ),
    "recipes": (
        "List the recipes, or print one in full, as TOML that can be changed and given to train.",
        "armoire recipes fashion-vae",
    ),
    "cache": (
        "List what armoire stores outside of runs, with sizes, or remove it.",
        "armoire cache --clear",
    ),
    "check": (
        "Tell what is installed here: versions, devices, caches, what is missing and how to get it.",
        "armoire check",
    ),
    "completion": (
        "Teach a shell to complete armoire's verbs, flags, recipes and runs.",
        "armoire completion bash --install",
    ),
}


def build() -> App:
    """The program and its commands."""
    app = App(
        name="armoire",
        help="Give it images, and it gives you a wardrobe: a latent space that people can use.",
        version=lambda: metadata.version("armoire"),
        help_format="plaintext",
        result_action="return_value",
    )
    for command, (does, example) in COMMANDS.items():
        app.command(f"armoire.cli.{command}:{command}", name=command, help=does, help_epilogue=f"Example: {example}")
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run `armoire` and leave with its exit code: 0 done, 2 yours to mend, 130 interrupted, 1 a bug of ours."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _interrupt)
    # What goes wrong on the way to the Hub is told once, by us.
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
        # The reader of a pipe has gone, which is no error; Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _greet() -> None:
    from armoire.cli.greeting import greet

    greet()


def _interrupt(_number: int, _frame: object) -> None:
    # As Ctrl-C does, so that what was begun is tidied up on the way out.
    raise KeyboardInterrupt


def _leave(code: int, sentence: str) -> None:
    if "LOCAL_RANK" in os.environ:
        _leave_together(code, sentence)
    print(f"armoire: {sentence}", file=sys.stderr)
    sys.exit(code)


def _leave_together(code: int, sentence: str) -> None:
    """Leave as one of the processes that torchrun started, of which one tells why."""
    for number in (signal.SIGINT, signal.SIGTERM):  # torchrun's, as soon as one has left
        signal.signal(number, signal.SIG_IGN)
    from armoire.training.distributed import may_tell

    if may_tell():
        print(f"armoire: {sentence}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not by sys.exit: what talks to the others could wait for one that has gone.
    os._exit(code)
