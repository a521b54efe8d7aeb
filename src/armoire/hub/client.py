"""huggingface_hub, imported when it is needed, and its errors as ArmoireErrors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError
from armoire.extras import needs
from armoire.hub.reference import endpoint, host

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class UnreachableError(ArmoireError):
    """The Hub does not answer now; earlier downloads can still be used."""


def client(token: str | None = None) -> HfApi:
    """The API of the Hub at $HF_ENDPOINT; by default with the token of `hf auth login` or HF_TOKEN."""
    with needs("the Hugging Face Hub", "hub"):
        from huggingface_hub import HfApi
    return HfApi(endpoint(), token, library_name="armoire", library_version=metadata.version("armoire"))


@contextlib.contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn every error of a request to the Hub into an ArmoireError that names `what` was requested."""
    with needs(what, "hub"):
        import huggingface_hub.errors  # noqa: F401  # imported below
    try:
        yield
    except ArmoireError:
        raise
    except Exception as error:  # a malformed answer raises any kind
        # An error of the disk is reported by `writing`, with the path.
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise
        raise _as_armoire_error(_cause(error), what) from error


def _cause(error: BaseException) -> BaseException:
    """The innermost error of those that only wrap another."""
    wraps = isinstance(error, RuntimeError | FileNotFoundError) and not hasattr(error, "response")
    return _cause(error.__cause__) if wraps and error.__cause__ else error


def _as_armoire_error(error: BaseException, what: str) -> ArmoireError:
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    message = " ".join((getattr(error, "server_message", None) or str(error)).split())[:200] or type(error).__name__
    if (status := getattr(getattr(error, "response", None), "status_code", None)) is not None:
        return _refusal(error, status, what, message)
    if isinstance(error, OfflineModeIsEnabled):
        return UnreachableError(f"HF_HUB_OFFLINE is set, and {what} needs the Hub; unset it")
    # By name: huggingface_hub 1 is built on httpx, 2 on httpx2.
    if isinstance(error, ConnectionError) or "HTTPError" in (kind.__name__ for kind in type(error).__mro__):
        return UnreachableError(f"{host()} cannot be reached for {what} ({message}); check the network")
    if isinstance(error, HFValidationError):
        return ArmoireError(f"{what} cannot be the name of a repository ({message}); check its spelling")
    return ArmoireError(f"{host()} did not answer as the Hub does for {what} ({message}); try again")


def _refusal(error: BaseException, status: int, what: str, message: str) -> ArmoireError:
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RevisionNotFoundError

    if status >= 500 or status in (408, 425, 429):
        return UnreachableError(f"{host()} is too busy for {what} (error {status}); try again later")
    if isinstance(error, GatedRepoError):
        return ArmoireError(f"{what} requires its terms to be accepted; do so on its page at {host()}, and log in")
    if isinstance(error, RevisionNotFoundError):
        return ArmoireError(f"{what} is no branch, tag or commit of its repository; leave out @REVISION for the newest")
    if isinstance(error, EntryNotFoundError):
        return ArmoireError(f"a file of {what} is gone from {host()}; try again, or give another @REVISION")
    token = "with a token from `hf auth login` or HF_TOKEN"
    if status == 403:
        return ArmoireError(f"your token does not allow {what}; try again {token} that does")
    if status in (401, 404):
        return ArmoireError(f"{host()} has no {what}, or only for others; check its spelling, or try again {token}")
    return ArmoireError(f"{host()} refuses {what} ({status}: {message}); fix that and try again")
