"""The Hugging Face Hub: what comes in from it and goes out to it, by huggingface_hub, which is an extra.

Nothing here knows what is in a run, only which files travel.
"""

from armoire.hub.reference import Reference, parse_reference

__all__ = ["Reference", "parse_reference"]
