"""Hostile requests as raw bytes on a socket, against a server with a secret next to its files."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from armoire.publish.serve import in_background

SECRET = b"not to be served"
PAGE, DATA = b"<!doctype html>", bytes(range(256)) * 64
FUZZED = int(os.environ.get("ARMOIRE_FUZZ_REQUESTS", "1500"))
TIMEOUT_SECONDS = 60  # generous, for a busy machine

ESCAPES = r"../ ..%2f %2e%2e/ %2e%2e%2f ..\ ..%5c ....// ..;/ %252e%252e%252f ..%c0%af ..%00/"
TARGETS = "secret.txt etc/passwd proc/self/environ"
PATHS = (
    "//secret.txt /./secret.txt /secret.txt /data/../../secret.txt /%00 /index.html%00.png * /index.html/ "
    "http://127.0.0.1:{port}/secret.txt http://evil.example/index.html /folder /folder/secret.txt /link.txt "
    "/INDEX.HTML /index.html;x /~root /C:/secret.txt file:///etc/passwd /%69ndex.html index.html /%ff /% "
) + "/" * 20_000
HOSTS = (
    "evil.example evil.example:{port} 127.0.0.1.evil.example:{port} localhost.evil.example:{port} "
    "127.0.0.1:{port}.evil.example 127.0.0.1:1 127.0.0.1 0.0.0.0:{port} 2130706433:{port} 127.1:{port} "
    "[::ffff:127.0.0.1]:{port} localhost:{port}@evil.example evil.example#127.0.0.1:{port}"
)
ORIGINS = (
    "null http://evil.example https://127.0.0.1:{port} http://127.0.0.1 http://localhost:1 file:// "
    "http://127.0.0.1:{port}.evil.example http://evil.example:{port} chrome-extension://abc"
)
RANGES = (
    "bytes=0- bytes=-1 bytes=5-2 bytes=0-99999999999999 bytes=99999999- bytes=-0 bytes=a-b lines=0-1 "
    "bytes=0-0,2-2,4-4 bytes=18446744073709551616- bytes=0-1;x bytes=- x bytes=" + "0-0," * 500 + "1-1"
)
METHODS = "POST PUT DELETE OPTIONS TRACE CONNECT PATCH PROPFIND get \0 " + "G" * 5000
HEADERS = (
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Content-Length: 0\r\nContent-Length: 5",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Expect: 100-continue\r\nContent-Length: 3",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x",
    "X: " + "x" * 70_000,
    "X" * 70_000 + ": 1",
    " folded: 1",
    "Bad Name: 1",
    "A : b",
    "X: \0",
    "X: 1\r\n" * 20_000,
)
NOISE = (
    b"\x16\x03\x01\x02\x00\x01",
    b"\0" * 1000,
    b"GET",
    b"GET / HTTP/9.9",
    b"PRI * HTTP/2.0\r\n\r\nSM",
    b"\r\n" * 40_000,
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"\xff" * 70_000,
    b"SSH-2.0-x",
    b"GET  /  HTTP/1.1",
    b"GET /a b HTTP/1.1",
)


def cases() -> Iterator[tuple[str, bytes]]:
    """Kind and bytes of each request; {port} is the server's, and every request ends with an empty line."""

    def request(kind: str, *lines: str) -> tuple[str, bytes]:
        return kind, "\r\n".join([*lines, "", ""]).encode("latin-1")

    host = "Host: 127.0.0.1:{port}"
    paths = [
        f"/{folder}{escape}{target}"
        for folder in ("", "data/")
        for escape in ESCAPES.split()
        for target in TARGETS.split()
    ]
    yield from (request("path", f"GET {path} HTTP/1.1", host) for path in paths + PATHS.split())
    yield from (request("host", "GET / HTTP/1.1", f"Host: {name}") for name in ["", *HOSTS.split()])
    yield request("host", "GET / HTTP/1.1")
    yield request("host", "GET / HTTP/1.0")
    yield request("host", "GET / HTTP/1.1", host, "Host: evil.example")
    yield from (request("origin", "GET / HTTP/1.1", host, f"Origin: {origin}") for origin in ["", *ORIGINS.split()])
    for site, mode in itertools.product(("cross-site", "same-site"), ("cors", "no-cors", "websocket", "")):
        yield request("origin", "GET / HTTP/1.1", host, f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}")
    yield from (request("range", "GET /data.bin HTTP/1.1", host, f"Range: {wanted}") for wanted in RANGES.split(" "))
    yield from (request("method", f"{method} / HTTP/1.1", host) for method in METHODS.split(" "))
    yield from (request("headers", "GET / HTTP/1.1", host, line) for line in HEADERS)
    yield from (("noise", text + b"\r\n\r\n") for text in NOISE)


CASES = list(cases())


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "folder").mkdir()
    for name, content in {
        "secret.txt": SECRET,
        "folder/secret.txt": SECRET,
        "index.html": PAGE,
        "data.bin": DATA,
    }.items():
        (folder / name).write_bytes(content)
    names = {"/": "index.html", "/index.html": "index.html", "/data.bin": "data.bin", "/folder": "folder"}
    files: dict[str, Path] = {path: folder / name for path, name in names.items()}
    with in_background(files) as url:
        yield urlsplit(url).port or 0


def exchange(port: int, text: bytes) -> bytes:
    """The server's answer to some bytes and to a last request, after which it closes the connection."""
    last = f"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as client:
        received = b""
        try:
            client.sendall(text.replace(b"{port}", str(port).encode()) + last.encode())
            while piece := client.recv(65536):
                received += piece
        except ConnectionError:  # closed with bytes of ours unread
            pass
        return received


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def assert_harmless(received: bytes) -> None:
    for text in (SECRET, b"root:", b"Traceback"):
        assert text not in received
    assert all(status < 500 for status in statuses(received))


def assert_serves(port: int) -> None:
    assert PAGE in exchange(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in CASES}))
def test_hostile_requests_are_refused(port, kind, capfd):
    for text in [text for name, text in CASES if name == kind]:
        received = exchange(port, text)
        assert_harmless(received)
        if kind in ("path", "host", "origin", "method"):
            assert PAGE not in received, text[:200]
        if kind == "range":
            assert statuses(received)[0] in (200, 206, 400, 416)
    assert_serves(port)
    assert capfd.readouterr() == ("", "")


def test_fuzzed_requests(port):
    """Cases that are truncated, joined with another, and have bytes inserted or changed."""
    draw = random.Random(0)
    for _ in range(FUZZED):
        text = bytearray(draw.choice(CASES)[1][:9000])
        for _ in range(draw.randrange(6)):
            at = draw.randrange(len(text) + 1)
            kind = draw.randrange(5)
            if kind == 0:
                text = text[:at]
            elif kind == 1:
                text[at:at] = draw.randbytes(draw.randrange(20))
            elif kind == 2:
                text[at:at] = draw.choice((b"\r\n", b"\r\n\r\n", b"\0", b"%", b"..", b"/", b":", b"\n"))
            elif kind == 3:
                text += draw.choice(CASES)[1][:2000]
            elif text:
                text[at % len(text)] = draw.randrange(256)
        assert_harmless(exchange(port, bytes(text) + b"\r\n\r\n"))
    assert_serves(port)
