"""huggingface_hub, imported when it is needed, and its errors in a sentence each."""

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
    """The Hub cannot be asked just now; what was fetched before can still be used."""


def client(token: str | None = None) -> HfApi:
    """The Hub at $HF_ENDPOINT, with a token where one is given, else with that of huggingface_hub.

    Raises:
        ArmoireError: huggingface_hub is not installed.
    """
    with needs("the Hugging Face Hub", "hub"):
        from huggingface_hub import HfApi
    return HfApi(endpoint(), token, library_name="armoire", library_version=metadata.version("armoire"))


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever goes wrong between here and the Hub into an ArmoireError.

    Args:
        what: is asked for or sent, for the sentence.

    Raises:
        ArmoireError: whatever went wrong, or huggingface_hub is not installed.
    """
    with needs(what, "hub"):
        from huggingface_hub.errors import EntryNotFoundError, XetDownloadError

        http = _http()

    theirs = (http.HTTPError, http.InvalidURL, EntryNotFoundError, XetDownloadError)
    # The others are what becomes of an answer that is none.
    known = (*theirs, ValueError, RuntimeError, OSError, LookupError, TypeError, AttributeError)
    try:
        yield
    except known as error:
        # What a disk refuses is told by who writes there, with the place.
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise
        raise _told(_cause(error), what) from error


def _http() -> Any:
    """The HTTP library under the huggingface_hub installed here: httpx under version 1, httpx2 under version 2."""
    from huggingface_hub.errors import HfHubHTTPError

    base = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    return importlib.import_module(base.__module__.partition(".")[0])


def _cause(error: BaseException) -> BaseException:
    """The error that another one wraps without saying what it was."""
    wraps = isinstance(error, RuntimeError | FileNotFoundError) and not hasattr(error, "response")
    return _cause(error.__cause__) if wraps and error.__cause__ else error


def _told(error: BaseException, what: str) -> ArmoireError:
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return _refused(error, status, what)
    if isinstance(error, OfflineModeIsEnabled):
        return UnreachableError(f"HF_HUB_OFFLINE is set, and {what} needs the Hub; unset it")
    if isinstance(error, (_http().HTTPError, ConnectionError)):
        return UnreachableError(f"{host()} cannot be reached for {what} ({_words(error)}); see to the network")
    if isinstance(error, HFValidationError):
        return ArmoireError(
            f"{what} cannot be the name of a repository ({_words(error)}); see that it is spelled right"
        )
    return ArmoireError(f"{host()} did not answer as the Hub does for {what} ({_words(error)}); try again")


def _refused(error: BaseException, status: int, what: str) -> ArmoireError:
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RevisionNotFoundError

    if status >= 500 or status in BUSY:
        return UnreachableError(f"{host()} has no time for {what} (error {status}); try again later")
    if isinstance(error, GatedRepoError):
        return ArmoireError(f"{what} asks for terms to be accepted; do so on its page at {host()}, and log in")
    if isinstance(error, RevisionNotFoundError):
        return ArmoireError(f"{what} is no branch, tag or commit of its repository; leave out @REVISION for the newest")
    if isinstance(error, EntryNotFoundError):
        return ArmoireError(f"a file of {what} is gone from {host()}; try again, or give another @REVISION")
    token = "`hf auth login` or HF_TOKEN gives one"
    if status == 403:
        return ArmoireError(f"your token does not allow {what}; {token} that does")
    if status in (401, 404):
        return ArmoireError(
            f"{host()} knows no {what}, or shows it to others only; see that it is spelled right, and that you have "
            f"a token for it ({token})"
        )
    return ArmoireError(f"{host()} refuses {what} ({status}: {_words(error)}); mend that and try again")


def _words(error: BaseException) -> str:
    said = getattr(error, "server_message", None) or str(error)
    return first_line(ValueError(" ".join(said.split())[:200])) if said.strip() else type(error).__name__
