"""Files out to a repository of the Hub, in one commit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError
from armoire.extras import install_command
from armoire.hub.client import asking, client
from armoire.hub.parts import CARD, MODEL
from armoire.hub.reference import Reference, host, parse_reference

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo


@dataclass(frozen=True)
class Sent:
    """What came of it.

    Attributes:
        reference: where it went.
        commit: its full name.
        url: of the repository's page.
        private: whether only its owner sees it.
        files: that the commit holds, of those that were sent.
    """

    reference: Reference
    commit: str
    url: str
    private: bool
    files: tuple[str, ...]


def send(
    repository: str,
    files: Mapping[str, Path | bytes],
    message: str,
    private: bool | None = None,
    branch: str | None = None,
    token: str | None = None,
    replaces: Callable[[str], bool] = lambda _: False,
) -> Sent:
    """Put files into a repository, which is made where there is none.

    Args:
        repository: OWNER/NAME.
        files: paths or contents, by their names there.
        message: of the commit.
        private: whether a new repository is to be seen by its owner only; by default the Hub decides.
        branch: where to; by default main.
        token: by default that of huggingface_hub (`hf auth login`, HF_TOKEN).
        replaces: which files there are removed where they are not among `files`.

    Raises:
        ArmoireError: no token, no right, no network, or a public repository where a private one was asked for.
    """
    reference = parse_reference(f"{repository}@{branch}" if branch else repository, scheme=False)
    if reference is None:
        raise ArmoireError(f"'{repository}' names no repository of the Hub; give OWNER/NAME")
    api, told = client(token), f"{reference} to be written"
    check_sender(token)
    with asking(told):
        api.create_repo(reference.repository, private=private, exist_ok=True)
        if branch:
            api.create_branch(reference.repository, branch=branch, exist_ok=True)
        there = api.model_info(reference.repository, revision=reference.revision)
    if private and not there.private:
        raise ArmoireError(f"{reference} is public, and nothing was sent; make it private on its page at {host()}")
    with asking(told), warnings.catch_warnings():
        # It takes a table for a data set that went astray, and calls its own client in a way that this one disowns.
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        commit = api.create_commit(
            reference.repository,
            _operations(files, there, replaces),
            commit_message=message,
            revision=reference.revision,
        )
    url = f"{api.endpoint}/{reference.repository}"
    return Sent(reference, commit.oid, url, bool(there.private), tuple(files))


def send_model(repository: str, file: Path, private: bool | None, branch: str | None, token: str | None) -> Sent:
    """Put a model file into a repository, with a card where it has none."""
    reference = parse_reference(repository, scheme=False)
    files: dict[str, Path | bytes] = {MODEL: file}
    if reference is not None and not _has_card(client(token), reference):
        files[CARD] = _CARD.format(repository=reference.repository, install=install_command("hub")).encode()
    return send(repository, files, "Model of armoire's", private, branch, token)


_CARD = """\
---
library_name: armoire
tags:
- autoencoder
---

# {repository}

An autoencoder made with armoire. With armoire installed:

    {install}

```python
from armoire import Autoencoder

model = Autoencoder.from_pretrained("hf:{repository}")
```
"""


def _has_card(api: HfApi, reference: Reference) -> bool:
    with asking(str(reference)):
        return api.repo_exists(reference.repository) and api.file_exists(reference.repository, CARD)


def check_sender(token: str | None = None) -> None:
    """See to it that huggingface_hub is here and has a token.

    Raises:
        ArmoireError: one of them is missing.
    """
    client()
    from huggingface_hub import get_token

    if not (token or get_token()):
        raise ArmoireError(f"no token for {host()} is here; get one with `hf auth login`, or set HF_TOKEN")


def _operations(files: Mapping[str, Path | bytes], there: ModelInfo, replaces: Callable[[str], bool]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = {sibling.rfilename for sibling in there.siblings or []}
    gone = sorted(name for name in names - set(files) if replaces(name))
    sent = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
    return [*sent, *(CommitOperationDelete(path_in_repo=name, is_folder=False) for name in gone)]
