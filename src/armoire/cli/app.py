"""The commands and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module, metadata

from cyclopts import App, CycloptsError

from armoire.cli.greeting import greet
from armoire.errors import ArmoireError, TrainingInterruptedError

# Each is the function of that name in the module of that name, and its docstring the help; with an example.
COMMANDS = {
    "train": "armoire train images-vae --data my-photos/ --size 64 --latent 32",
    "figures": "armoire figures runs/fashion-vae latent-by-label samples",
    "evaluate": "armoire evaluate runs/fashion-vae --json",
    "doctor": "armoire doctor runs/fashion-vae",
    "sweep": "armoire sweep fashion-vae --beta 0.1,0.5,1,2,4,8",
    "beta": 'armoire beta --from "2000*mse" --size 64 --channels 3',
    "sample": "armoire sample runs/fashion-vae -n 30 --out samples.png",
    "prior": "armoire prior runs/fashion-ae --kind flow",
    "reconstruct": "armoire reconstruct runs/fashion-vae shoe.png --out shoe-again.png",
    "edit": "armoire edit runs/drawn-faces-vae me.png --attribute Smiling --strength -2,2 --out smiles.png",
    "morph": "armoire morph runs/fashion-vae shoe.png shirt.png --steps 24 --out shoe-to-shirt.gif",
    "nearest": "armoire nearest runs/fashion-vae shoe.png -n 3",
    "outliers": "armoire outliers runs/images-vae photos/ --out outliers.png",
    "encode": "armoire encode runs/fashion-vae fashion-mnist --out latents.parquet",
    "export": "armoire export runs/fashion-vae --onnx fashion-onnx/",
    "push": "armoire push runs/fashion-vae OWNER/fashion-vae --private",
    "explore": "armoire explore runs/fashion-vae",
    "data": "armoire data my-photos/ --size 64",
    "survey": "armoire survey my-photos/ --out survey/",
    "recipes": "armoire recipes fashion-vae",
    "cache": "armoire cache --clear",
    "check": "armoire check",
    "completion": "armoire completion bash --install",
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
    for command, example in COMMANDS.items():
        function = getattr(import_module(f"armoire.cli.{command}"), command)
        app.command(function, name=command, help_epilogue=f"Example: {example}")
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
            greet()
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
    from armoire.training.distributed import may_report

    if may_report():
        print(f"armoire: {sentence}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not sys.exit: torch.distributed could wait for a process that is gone.
    os._exit(code)
