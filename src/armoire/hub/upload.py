"""Uploads to a repository of the Hub, in one commit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError
from armoire.extras import install_command
from armoire.hub.client import client, hub_errors
from armoire.hub.parts import CARD, MODEL
from armoire.hub.reference import Reference, host, parse_reference


@dataclass(frozen=True)
class Upload:
    """A finished upload: the repository, its commit, the URL of its page, and the names of the files sent."""

    reference: Reference
    commit: str
    url: str
    private: bool
    files: tuple[str, ...]


def repository_of(name: str, branch: str | None = None) -> Reference:
    """The repository to upload to, from OWNER/NAME with or without hf:."""
    reference = parse_reference(f"{name}@{branch}" if branch else name, scheme=False)
    if reference is None:
        raise ArmoireError(f"'{name}' names no repository of the Hub; give OWNER/NAME")
    return reference


def upload(
    reference: Reference,
    files: Mapping[str, Path | bytes],
    message: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    replaces: Callable[[str], bool] = lambda _: False,
) -> Upload:
    """Commit files to a repository, which is created if there is none.

    Args:
        reference: the repository and branch.
        files: paths or contents, by their names there.
        message: of the commit.
        private: whether a new repository is private; by default the Hub decides.
        token: by default that of `hf auth login` or HF_TOKEN.
        replaces: which files there are removed if they are not among `files`.

    Raises:
        ArmoireError: no token, no right, no network, or a public repository where a private one was asked for.
    """
    check_token(token)
    api, what = client(token), f"{reference} to be written"
    with hub_errors(what):
        api.create_repo(reference.repository, private=private, exist_ok=True)
        if reference.revision != "main":
            api.create_branch(reference.repository, branch=reference.revision, exist_ok=True)
        info = api.model_info(reference.repository, revision=reference.revision)
    if private and not info.private:
        raise ArmoireError(f"{reference} is public, and nothing was sent; make it private on its page at {host()}")
    with hub_errors(what), warnings.catch_warnings():
        # It takes latents.parquet for a misplaced data set, and calls its own deprecated client.
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        there = {sibling.rfilename for sibling in info.siblings or []}
        operations: list[Any] = [CommitOperationAdd(name, content) for name, content in files.items()]
        operations += [CommitOperationDelete(name) for name in sorted(there - set(files)) if replaces(name)]
        commit = api.create_commit(
            reference.repository, operations, commit_message=message, revision=reference.revision
        )
    url = f"{api.endpoint}/{reference.repository}"
    return Upload(reference, commit.oid, url, bool(info.private), tuple(files))


def upload_model(repository: str, file: Path, private: bool | None, branch: str | None, token: str | None) -> Upload:
    """Upload a model file, with a card if the repository has none."""
    reference = repository_of(repository, branch)
    api, files = client(token), dict[str, Path | bytes]({MODEL: file})
    with hub_errors(str(reference)):
        has_card = api.repo_exists(reference.repository) and api.file_exists(reference.repository, CARD)
    if not has_card:
        files[CARD] = _CARD.format(repository=reference.repository, install=install_command("hub")).encode()
    return upload(reference, files, "Model trained with armoire", private=private, token=token)


_CARD = """\
---
library_name: armoire
tags:
- autoencoder
---

# {repository}

An autoencoder trained with armoire. With armoire installed:

    {install}

```python
from armoire import Autoencoder

model = Autoencoder.from_pretrained("hf:{repository}")
```
"""


def check_token(token: str | None = None) -> None:
    """Raise an ArmoireError if huggingface_hub or its token is missing."""
    client()
    from huggingface_hub import get_token

    if not (token or get_token()):
        raise ArmoireError(f"there is no token for {host()}; get one with `hf auth login`, or set HF_TOKEN")
