"""Which files of a run travel, and how large each may be: nothing else is sent as a part of it, or ever fetched."""

from __future__ import annotations

from types import MappingProxyType

from armoire.io.files import LARGEST_TEXT

MODEL = "model.safetensors"
CARD = "README.md"
FIGURES = "figures"  # sent for the card's sake, never fetched

_GIGABYTE = 1 << 30
_TABLE = 8 * _GIGABYTE
# What is made for one user or machine stays at home (the index of neighbours, checkpoints), and so does what holds
# pictures of the data (previews, the explorer, the report).
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
RUN = ("recipe.toml", MODEL)  # without these nothing is a run


def is_ours(name: str) -> bool:
    """Whether a file of a repository is one that `armoire push` sends, and so may replace or remove."""
    return name in PARTS or (name.startswith(f"{FIGURES}/") and name.endswith(".png"))
