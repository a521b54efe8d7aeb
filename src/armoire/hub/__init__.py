"""The Hugging Face Hub, by huggingface_hub (an extra): which files are downloaded and uploaded, and where they are."""

from armoire.hub.reference import Reference, parse_reference

__all__ = ["Reference", "parse_reference"]
