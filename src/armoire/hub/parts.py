"""Which files of a run are uploaded and downloaded, and the largest size of each."""

from __future__ import annotations

from types import MappingProxyType

from armoire.io.files import LARGEST_TEXT

MODEL = "model.safetensors"
CARD = "README.md"
FIGURES = "figures"  # uploaded for the card, never downloaded

_GIGABYTE = 1 << 30
_TABLE = 8 * _GIGABYTE
# Neither checkpoints nor what shows the data (previews, the explorer, the report).
PARTS = MappingProxyType(
    {
        "recipe.toml": LARGEST_TEXT,
        MODEL: 8 * _GIGABYTE,
        "history.csv": LARGEST_TEXT,
        "evaluation.json": LARGEST_TEXT,
        "editing.json": LARGEST_TEXT,
        "error_percentiles.json": LARGEST_TEXT,
        "diverged.json": LARGEST_TEXT,
        "latents.parquet": _TABLE,
        "directions/difference.parquet": _TABLE,
        "directions/partial.parquet": _TABLE,
        "directions/logistic.parquet": _TABLE,
        "priors/gmm.safetensors": 2 * _GIGABYTE,
        "priors/flow.safetensors": 2 * _GIGABYTE,
    }
)
REQUIRED = ("recipe.toml", MODEL)


def is_ours(name: str) -> bool:
    """Whether `armoire push` uploads a file of this name, and so may replace or remove it."""
    return name in PARTS or (name.startswith(f"{FIGURES}/") and name.endswith(".png"))
