"""Serves the explorer to the browsers of this machine, and to others only where told to.

Fixed files under fixed names, and nothing else.

Whatever page a browser shows can send requests to 127.0.0.1. So a request has to name this server as its host (against
DNS rebinding: a foreign name that leads here) and must not come from a page of another origin, unless a person
followed a link. See docs/decisions/013-serving.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from armoire.errors import ArmoireError

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ON_EVERY_ANSWER = {
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
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".md": "text/plain",
    ".txt": "text/plain",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
# Vite's hashes have eight characters of base64url; a plain word such as `threaded` is not taken for one.
HASHED = re.compile(r"/assets/.+-(?=\w*[A-Z0-9_-])[\w-]{8}\.\w+")
ONE_RANGE = re.compile(rb"bytes=(\d{1,15}-\d{0,15}|-\d{1,15})")

CONNECTIONS = 256
REQUEST_BYTES = 32 * 1024  # cookies of all other servers on this machine come along
KEEP_ALIVE_SECONDS = 5
REQUEST_SECONDS = 10  # from the first byte of a request, or of a connection, to the end of its headers
STALLED_SECONDS = 60  # that a reader may leave an answer untouched
LAST_SECONDS = 1

log = logging.getLogger(__name__)


def serve(files: dict[str, Path], port: int | None, ready: Callable[[str], None], host: str = "127.0.0.1") -> None:
    """Serve files until Ctrl-C or SIGTERM, and return.

    Args:
        files: URL path, such as "/" or "/assets/x.js", to file. No other path is ever answered.
        port: the port to listen on; None for a free one.
        ready: called with the address of the page once it is listened to, and has to return at once: nothing is
            answered before.
        host: an address of this machine; 0.0.0.0 or :: for all of them.

    Raises:
        ArmoireError: the port is taken or not allowed, or the address is not this machine's.
    """
    with listen(host, port) as listener:
        server = make_server(files, listener)
        with ended_by_signals(server):
            ready(address(listener))
            server.run(sockets=[listener])


@contextlib.contextmanager
def in_background(files: dict[str, Path], port: int | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve in a thread as long as a block runs, which gets the address."""
    with listen(host, port) as listener:
        server = make_server(files, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield address(listener)
        finally:
            server.should_exit = True
            thread.join()


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens; an ArmoireError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    mend = "choose another with --port, or leave it out for one that is free"
    if not 0 <= (port or 0) <= 65535:
        raise ArmoireError(f"there is no port {port}, only 1 to 65535: {mend}")
    try:
        return socket.create_server((host, port or 0), family=family, backlog=CONNECTIONS)
    except OSError as error:
        known = {
            errno.EADDRINUSE: f"port {port} is taken by another program: {mend}",
            errno.EACCES: f"port {port} is not allowed for this account: {mend}",
        }
        other = f"cannot listen on {host}, port {port}: {error.strerror or error}; {mend}"
        raise ArmoireError(known.get(error.errno or 0, other)) from error


def address(listener: socket.socket) -> str:
    """The URL of the page behind a listening socket."""
    return url_of(*listener.getsockname()[:2])


def url_of(host: str, port: int) -> str:
    """Where a browser finds what listens on an address."""
    # The address that stands for all of them is none that a browser could go to.
    return f"http://{socket.gethostname() if is_any(host) else bracketed(host)}:{port}/"


def is_any(host: str) -> bool:
    """Whether an address stands for all of this machine's."""
    return ipaddress.ip_address(host).is_unspecified


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address or a name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    """A host as URLs have it."""
    return f"[{host}]" if ":" in host else host


def make_server(files: dict[str, Path], listener: socket.socket) -> uvicorn.Server:
    """A server of files for a listening socket; `run(sockets=[listener])` starts it, `should_exit = True` ends it."""
    config = uvicorn.Config(
        Site(files, *listener.getsockname()[:2]),
        http=StrictProtocol,
        ws="none",
        loop="asyncio",
        interface="asgi3",
        lifespan="off",
        workers=1,
        # It would tell of every bad request and every transfer that Ctrl-C broke off; our own errors, `Site` tells.
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        headers=list(ON_EVERY_ANSWER.items()),
        backlog=CONNECTIONS,
        h11_max_incomplete_event_size=REQUEST_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the server, before it runs as well as after, and nothing but the server.

    uvicorn raises the signals that it was ended by once more, so that the program dies of them; here they come back to
    `handle_exit`, which has nothing left to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class Site:
    """The ASGI application: the names it answers to, and the files it has."""

    def __init__(self, files: dict[str, Path], host: str, port: int) -> None:
        self.files = files
        self.home = url_of(host, port)
        names = {"127.0.0.1", "localhost", "[::1]", bracketed(host)}
        if is_any(host):
            names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self.hosts = {f"{name}:{port}" for name in names} | (names if port == 80 else set())
        # Of all this machine's addresses any will do: only a name can be led here by a stranger's DNS server.
        self.numbers = (
            re.compile(rf"([\d.]+|\[[\da-f:.]+\])(:{port}){'?' if port == 80 else ''}") if is_any(host) else None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self.answer(scope)(scope, receive, send)
        except Exception:
            log.exception("armoire could not answer a request for %s", scope["path"])
            raise

    def answer(self, scope: Scope) -> Response:
        """The answer to a request: a refusal, or a file."""
        headers = Headers(scope=scope)
        if refusal := self.refusal(scope["method"], headers):
            return refusal
        # As it was sent: what is percent-encoded or has dots or slashes too many is no name we know.
        path = scope["raw_path"].decode("ascii")
        return file_answer(path, self.files[path], scope) if path in self.files else missing()

    def refusal(self, method: str, headers: Headers) -> Response | None:
        """Why a request is not looked at further, or None."""
        if not self.is_ours(headers.get("host", "")):
            return refuse(421, f"this server goes by another name: open {self.home}")
        if is_foreign(headers, self.is_ours):
            return refuse(403, "this server gives nothing to pages of other sites")
        if method not in ("GET", "HEAD"):
            return refuse(405, "there is nothing here but files to get", allow="GET, HEAD")
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return refuse(413, "there is nothing here to send anything to")
        return None

    def is_ours(self, authority: str) -> bool:
        """Whether a host and port, as a request names them, are this server's."""
        known = authority.lower() in self.hosts
        return known or (self.numbers is not None and self.numbers.fullmatch(authority.lower()) is not None)


class StrictProtocol(H11Protocol):
    """h11, whose refusal of what is no HTTP has the headers of every answer, and that waits for nobody for long."""

    deadline: asyncio.TimerHandle | None = None
    ended = False  # whether the other side has said all that it will say

    @property
    def is_idle(self) -> bool:
        """Whether no answer is on its way."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; of too many, the one that has been idle for longest has to go."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._until(REQUEST_SECONDS)
        if len(self.connections) > CONNECTIONS:
            idle = [one for one in self.connections if isinstance(one, StrictProtocol) and one.is_idle]
            min(idle, key=lambda one: one.since, default=self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._until(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request has to be whole in time, however slowly its bytes come."""
        super().data_received(data)
        if not self.is_idle:
            self._until(None)
        elif self.deadline is None and not self.transport.is_closing():
            self._until(REQUEST_SECONDS)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Who says no more may still listen: what was asked is answered before the connection is closed."""
        self.ended = True
        return not self.is_idle

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn sees to it that it begins in time."""
        self.since = self.loop.time()
        self._until(None)
        super().on_response_complete()
        if self.ended and self.is_idle:
            self.transport.close()

    def pause_writing(self) -> None:
        """The reader does not keep up: wait for it, but not for ever."""
        super().pause_writing()
        self._until(STALLED_SECONDS)

    def resume_writing(self) -> None:
        """It has read on."""
        self._until(None)
        super().resume_writing()

    def _until(self, seconds: float | None) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Refuse and hang up; no more of it is parsed."""
        text = "this is not a request by HTTP/1.1, or too long a one\n"
        headers = ON_EVERY_ANSWER | {
            "cache-control": "no-store",
            "connection": "close",
            "content-length": str(len(text)),
            "content-type": "text/plain; charset=utf-8",
        }
        lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", text]
        self.transport.write("\r\n".join(lines).encode())
        self.transport.close()


def is_foreign(headers: Headers, is_ours: Callable[[str], bool]) -> bool:
    """Whether a page of another origin sent this. A link that a person followed is welcome, whoever set it."""
    origin = headers.get("origin")
    if origin is not None and not is_ours(origin.removeprefix("http://")):
        return True
    site = headers.get("sec-fetch-site", "none")
    return site not in ("same-origin", "none") and headers.get("sec-fetch-mode") != "navigate"


def refuse(status: int, reason: str, **headers: str) -> Response:
    """A refusal that ends the connection: whatever else the request holds stays unread."""
    closing = {"connection": "close", "cache-control": "no-store", **headers}
    return PlainTextResponse(f"{reason}\n", status, closing)


def missing() -> Response:
    """The answer to a path that is none of ours."""
    return PlainTextResponse("there is no such file here\n", 404, {"cache-control": "no-store"})


def file_answer(path: str, file: Path, scope: Scope) -> Response:
    """A file, a part of it, or the word that the reader's copy is still good."""
    try:
        facts = file.stat()
    except OSError:
        return missing()
    if not stat.S_ISREG(facts.st_mode):
        return missing()
    keep = "max-age=31536000, immutable" if HASHED.fullmatch(path) else "no-cache"
    media_type = MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream")
    answer = FileResponse(file, headers={"cache-control": keep}, media_type=media_type, stat_result=facts)
    if has_copy(Headers(scope=scope), answer.headers["etag"]):
        return Response(None, 304, {name: answer.headers[name] for name in ("cache-control", "etag")})
    # One range or the whole file: many small ranges cost the server much more than the sender.
    scope["headers"] = [(k, v) for k, v in scope["headers"] if k != b"range" or ONE_RANGE.fullmatch(v)]
    return answer


def has_copy(headers: Headers, etag: str) -> bool:
    """Whether If-None-Match names this version of the file."""
    known = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]
