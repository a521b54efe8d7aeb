"""HTTP server of the explorer: fixed files under fixed names, to the browsers of this machine unless asked otherwise.

Any page that a browser shows can send requests to 127.0.0.1. A request therefore has to name this server as its host
(against DNS rebinding) and must not come from a page of another origin, unless a person followed a link. See
docs/decisions/013-serving.md and 038-plain-server.md.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from h11 import LocalProtocolError
from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from armoire.errors import ArmoireError

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
# Not from the mimetypes module: it asks the system, and some systems say that JavaScript is text/plain.
MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".md": "text/plain",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
# Vite's hashes have eight characters of base64url; a plain word such as `threaded` must not match.
HASHED = re.compile(r"/assets/.+-(?=\w*[A-Z0-9_-])[\w-]{8}\.\w+")

log = logging.getLogger(__name__)


def serve(files: dict[str, Path], port: int | None, ready: Callable[[str], None], host: str = "127.0.0.1") -> None:
    """Serve files until Ctrl-C (KeyboardInterrupt), and return.

    Args:
        files: by URL path, such as "/" or "/assets/x.js"; every other path is answered with 404.
        port: the port to listen on; None for a free one.
        ready: called with the URL of the page once the socket listens; requests are answered after it returns.
        host: an address of this machine; 0.0.0.0 or :: for all of them.

    Raises:
        ArmoireError: the port is taken or not allowed, or the address is not this machine's.
    """
    with listen(host, port) as listener, contextlib.suppress(KeyboardInterrupt):
        ready(page_url(listener))
        # uvicorn shuts down on SIGINT and SIGTERM, and then raises them again for our own handlers.
        make_server(files, listener).run(sockets=[listener])


@contextlib.contextmanager
def in_background(files: dict[str, Path]) -> Iterator[str]:
    """Serve in a thread for the duration of a `with` block, which gets the URL of the page."""
    with listen("127.0.0.1", None) as listener:
        server = make_server(files, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield page_url(listener)
        finally:
            server.should_exit = True
            thread.join()


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket, on a free port where `port` is None."""
    hint = "choose another with --port, or leave it out for one that is free"
    if not 0 <= (port or 0) <= 65535:
        raise ArmoireError(f"there is no port {port}, only 1 to 65535: {hint}")
    try:
        return socket.create_server((host, port or 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"port {port} is taken by another program",
            errno.EACCES: f"port {port} is not allowed for this account",
        }
        reason = reasons.get(error.errno or 0, f"cannot listen on {host}, port {port}: {error.strerror or error}")
        raise ArmoireError(f"{reason}: {hint}") from error


def page_url(listener: socket.socket) -> str:
    """The URL of the page behind a listening socket; where it listens on every address, with this machine's name."""
    host, port = listener.getsockname()[:2]
    everywhere = ipaddress.ip_address(host).is_unspecified
    return f"http://{socket.gethostname() if everywhere else bracketed(host)}:{port}/"


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    """A host as in URLs: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def make_server(files: dict[str, Path], listener: socket.socket) -> uvicorn.Server:
    """A server for a listening socket: `run(sockets=[listener])` starts it, `should_exit = True` ends it."""
    config = uvicorn.Config(
        Site(files, listener),
        http="h11",
        ws="none",
        loop="asyncio",
        interface="asgi3",
        lifespan="off",
        # uvicorn would report every bad request and every transfer that Ctrl-C ends; `Site` logs our own errors.
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        headers=list(SECURITY_HEADERS.items()),
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


class Site:
    """ASGI application that answers GET and HEAD for a fixed table of URL paths."""

    def __init__(self, files: dict[str, Path], listener: socket.socket) -> None:
        self.files, self.url = files, page_url(listener)
        host, port = listener.getsockname()[:2]
        hosts = [re.escape(name) for name in ("127.0.0.1", "localhost", "[::1]", bracketed(host))]
        if ipaddress.ip_address(host).is_unspecified:
            hosts += [re.escape(name().lower()) for name in (socket.gethostname, socket.getfqdn)]
            hosts += [r"[\d.]+", r"\[[\da-f:.]+\]"]  # any address of ours: DNS rebinding needs a name
        # Browsers leave out port 80.
        self.own = re.compile(rf"({'|'.join(hosts)})(:{port}){'?' if port == 80 else ''}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.response(scope)(scope, receive, send)
        except LocalProtocolError:  # the connection ended after this request, in one that is none
            pass
        except Exception:
            log.exception("armoire could not answer a request for %s", scope["path"])
            raise

    def response(self, scope: Scope) -> Response:
        """A refusal, a file or 404."""
        headers = Headers(scope=scope)
        if refusal := self.refusal(scope["method"], headers):
            return refusal
        # Compared as sent: a percent-encoded path, or one with extra dots or slashes, is in no table.
        path = scope["raw_path"].decode("ascii")
        return file_response(path, self.files[path], headers) if path in self.files else not_found()

    def refusal(self, method: str, headers: Headers) -> Response | None:
        """The refusal of a request that must not be answered, else None."""
        if not self.is_own(headers.get("host", "")):
            return refuse(421, f"this server has another name: open {self.url}")
        if is_cross_origin(headers, self.is_own):
            return refuse(403, "this server does not answer requests from pages of other sites")
        if method not in ("GET", "HEAD"):
            return refuse(405, "only GET and HEAD are supported", allow="GET, HEAD")
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return refuse(413, "requests must have no body")
        return None

    def is_own(self, authority: str) -> bool:
        """Whether a host and port, as in a Host or Origin header, are this server's."""
        return self.own.fullmatch(authority.lower()) is not None


def is_cross_origin(headers: Headers, is_own: Callable[[str], bool]) -> bool:
    """Whether a page of another origin sent a request; following a link from one is allowed."""
    origin = headers.get("origin")
    if origin is not None and not is_own(origin.removeprefix("http://")):
        return True
    site = headers.get("sec-fetch-site", "none")
    return site not in ("same-origin", "none") and headers.get("sec-fetch-mode") != "navigate"


def refuse(status: int, reason: str, **headers: str) -> Response:
    """A refusal that closes the connection, so that the rest of the request is never read."""
    return PlainTextResponse(f"{reason}\n", status, {"connection": "close", "cache-control": "no-store", **headers})


def not_found() -> Response:
    return PlainTextResponse("not found\n", 404, {"cache-control": "no-store"})


def file_response(path: str, file: Path, headers: Headers) -> Response:
    """A file or the requested range of it, or 304 where the browser's copy is current."""
    if not file.is_file():
        return not_found()
    response = FileResponse(
        file,
        headers={"cache-control": "max-age=31536000, immutable" if HASHED.fullmatch(path) else "no-cache"},
        media_type=MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream"),
        stat_result=file.stat(),
    )
    is_current = StaticFiles().is_not_modified(response.headers, headers)
    return NotModifiedResponse(response.headers) if is_current else response
