"""huggingface_hub, imported when it is needed, and its errors as ArmoireErrors."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError, first_line
from armoire.extras import needs
from armoire.hub.reference import endpoint, host

if TYPE_CHECKING:
    from huggingface_hub import HfApi

BUSY = (408, 425, 429)


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
        from huggingface_hub.errors import EntryNotFoundError, XetDownloadError

        http = _http()

    theirs = (http.HTTPError, http.InvalidURL, EntryNotFoundError, XetDownloadError)
    # The others are raised on answers that are malformed.
    known = (*theirs, ValueError, RuntimeError, OSError, LookupError, TypeError, AttributeError)
    try:
        yield
    except known as error:
        # An error of the disk is reported by `writing`, with the path.
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise
        raise _as_armoire_error(_cause(error), what) from error


def _http() -> Any:
    """The HTTP library under huggingface_hub: httpx under version 1, httpx2 under version 2."""
    from huggingface_hub.errors import HfHubHTTPError

    base = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    return importlib.import_module(base.__module__.partition(".")[0])


def _cause(error: BaseException) -> BaseException:
    """The innermost error of those that only wrap another."""
    wraps = isinstance(error, RuntimeError | FileNotFoundError) and not hasattr(error, "response")
    return _cause(error.__cause__) if wraps and error.__cause__ else error


def _as_armoire_error(error: BaseException, what: str) -> ArmoireError:
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return _refusal(error, status, what)
    if isinstance(error, OfflineModeIsEnabled):
        return UnreachableError(f"HF_HUB_OFFLINE is set, and {what} needs the Hub; unset it")
    if isinstance(error, (_http().HTTPError, ConnectionError)):
        return UnreachableError(f"{host()} cannot be reached for {what} ({_message(error)}); check the network")
    if isinstance(error, HFValidationError):
        return ArmoireError(f"{what} cannot be the name of a repository ({_message(error)}); check its spelling")
    return ArmoireError(f"{host()} did not answer as the Hub does for {what} ({_message(error)}); try again")


def _refusal(error: BaseException, status: int, what: str) -> ArmoireError:
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RevisionNotFoundError

    if status >= 500 or status in BUSY:
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
    return ArmoireError(f"{host()} refuses {what} ({status}: {_message(error)}); fix that and try again")


def _message(error: BaseException) -> str:
    text = getattr(error, "server_message", None) or str(error)
    return first_line(ValueError(" ".join(text.split())[:200])) if text.strip() else type(error).__name__
