"""Requests that want what is none of theirs: raw bytes on a socket, against a server with a secret beside its files."""

from __future__ import annotations

import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from armoire.publish import serve as serving
from armoire.publish.serve import CONNECTIONS, in_background, is_loopback, listen, make_server

SECRET = b"this is nobody's business"
PAGE, DATA = b"<!doctype html>", bytes(range(256)) * 64
FUZZED = int(os.environ.get("ARMOIRE_FUZZ_REQUESTS", "1500"))
PATIENCE_SECONDS = 60  # on a machine that does much else; nothing waits as long where all is well

ESCAPES = (
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..\\",
    "..%5c",
    "....//",
    "..;/",
    "%252e%252e%252f",
    "..%c0%af",
    "..%00/",
)
TARGETS = ("secret.txt", "etc/passwd", "proc/self/environ")
HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example:{port}",
    "127.0.0.1:{port}.evil.example",
    "127.0.0.1:1",
    "127.0.0.1",
    "",
    "0.0.0.0:{port}",
    "2130706433:{port}",
    "127.1:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "localhost:{port}@evil.example",
    "evil.example#127.0.0.1:{port}",
)
ORIGINS = (
    "null",
    "http://evil.example",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1",
    "http://localhost:1",
    "file://",
    "http://127.0.0.1:{port}.evil.example",
    "http://evil.example:{port}",
    "chrome-extension://abc",
    "",
)
RANGES = (
    "bytes=0-",
    "bytes=-1",
    "bytes=5-2",
    "bytes=0-99999999999999",
    "bytes=99999999-",
    "bytes=-0",
    "bytes=a-b",
    "lines=0-1",
    "bytes=0-0,2-2,4-4",
    "bytes=" + "0-0," * 500 + "1-1",
    "bytes=18446744073709551616-",
    "bytes= 0-1",
    "bytes=0-1;x",
)


def cases() -> Iterator[tuple[str, bytes]]:
    """Requests; {port} stands for the server's."""
    head = "Host: 127.0.0.1:{port}\r\nConnection: close\r\n"
    for escape, target in itertools.product(ESCAPES, TARGETS):
        yield "path", f"GET /{escape}{escape}{target} HTTP/1.1\r\n{head}\r\n".encode()
        yield "path", f"GET /data/{escape}{target} HTTP/1.1\r\n{head}\r\n".encode()
    for path in (
        "//secret.txt",
        "/./secret.txt",
        "/secret.txt",
        "/data/../../secret.txt",
        "/%00",
        "/index.html%00.png",
        "*",
        "/index.html/",
        "http://127.0.0.1:{port}/secret.txt",
        "http://evil.example/index.html",
        "/folder",
        "/folder/secret.txt",
        "/link.txt",
        "/INDEX.HTML",
        "/index.html;x",
        "/~root",
        "/C:/secret.txt",
        "file:///etc/passwd",
        "/" + "a" * 20_000,
    ):
        yield "path", f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
    for host in HOSTS:
        yield "host", f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    yield "host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    yield "host", b"GET / HTTP/1.0\r\n\r\n"
    yield "host", f"GET / HTTP/1.1\r\n{head}Host: evil.example\r\n\r\n".encode()
    for origin in ORIGINS:
        yield "origin", f"GET /index.html HTTP/1.1\r\n{head}Origin: {origin}\r\n\r\n".encode()
    for site, mode in itertools.product(("cross-site", "same-site"), ("cors", "no-cors", "websocket", "")):
        yield (
            "origin",
            f"GET /index.html HTTP/1.1\r\n{head}Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\n\r\n".encode(),
        )
    for wanted in RANGES:
        yield "range", f"GET /data.bin HTTP/1.1\r\n{head}Range: {wanted}\r\n\r\n".encode()
    for method in (
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PATCH",
        "PROPFIND",
        "get",
        "G" * 5000,
        "\x00",
    ):
        yield "method", f"{method} / HTTP/1.1\r\n{head}\r\n".encode()
    for line in (
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Content-Length: 0\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Expect: 100-continue\r\nContent-Length: 3",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "X: " + "x" * 40_000,
        "X" * 40_000 + ": 1",
        " folded: 1",
        "Bad Name: 1",
        "X: \x00",
    ):
        yield "headers", f"GET / HTTP/1.1\r\n{head}{line}\r\n\r\n".encode("latin-1")
    yield "headers", f"GET / HTTP/1.1\r\n{head}".encode() + b"X: 1\r\n" * 5000 + b"\r\n"
    for text in (
        b"\x16\x03\x01\x02\x00\x01",
        b"\0" * 1000,
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 100,
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"\xff" * 70_000,
        b"SSH-2.0-x\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
    ):
        yield "noise", text


CASES = list(cases())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret.txt").write_bytes(SECRET)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "data.bin").write_bytes(DATA)
    (folder / "folder").mkdir()
    (folder / "folder" / "secret.txt").write_bytes(SECRET)
    return {
        "/": folder / "index.html",
        "/index.html": folder / "index.html",
        "/data.bin": folder / "data.bin",
        "/folder": folder / "folder",
    }


@pytest.fixture(scope="module")
def port(site: dict[str, Path]) -> Iterator[int]:
    with in_background(site) as url:
        yield urlsplit(url).port or 0


def said(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plug:
        heard = b""
        try:
            plug.sendall(text)
            plug.shutdown(socket.SHUT_WR)
            while piece := plug.recv(65536):
                heard += piece
        except ConnectionError:  # it hung up on us
            pass
        return heard


def statuses(heard: bytes) -> list[int]:
    return [int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:]]


def assert_harmless(heard: bytes) -> None:
    assert SECRET not in heard
    assert b"root:" not in heard
    assert b"Traceback" not in heard
    assert all(status < 500 for status in statuses(heard))


def test_there_are_a_hundred_and_fifty():
    assert len(CASES) >= 150


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in CASES}))
def test_nothing_is_given_that_is_not_theirs(port, kind):
    for text in [text for name, text in CASES if name == kind]:
        heard = said(port, text.replace(b"{port}", str(port).encode()))
        assert_harmless(heard)
        body = heard.partition(b"\r\n\r\n")[2]
        if kind in ("path", "host", "origin", "method"):
            assert PAGE not in body, text[:200]
        if kind == "range":
            assert statuses(heard)[0] in (200, 206, 400, 416)
    assert statuses(said(port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())) == [200]


def test_fuzzed_requests(port):
    """Cases cut, doubled, joined with another and with changed bytes."""
    draw = random.Random(0)
    for _ in range(FUZZED):
        text = bytearray(draw.choice(CASES)[1].replace(b"{port}", str(port).encode())[:9000])
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
        assert_harmless(said(port, bytes(text)))
    assert statuses(said(port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())) == [200]


def test_who_says_no_more_is_still_answered(port):
    """As `printf ... | nc` does; two requests at once too."""
    one = f"GET /data.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    assert said(port, one).count(DATA) == 1
    heard = said(port, one + one)
    assert statuses(heard) == [200, 200]
    assert heard.count(DATA) == 2


@contextmanager
def plugs(port: int, n: int) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) for _ in range(n)]
    try:
        yield opened
    finally:
        for plug in opened:
            plug.close()


def test_idle_connections_give_way(port):
    """More than it keeps, all silent: who asks for something is answered, and nobody gets a 503."""
    with plugs(port, CONNECTIONS + 20):
        assert statuses(said(port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())) == [200]


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_request_has_to_be_whole_in_time(site, monkeypatch, begun):
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(serving, "KEEP_ALIVE_SECONDS", 600)
    with in_background(site) as url, plugs(urlsplit(url).port or 0, 1) as (plug,):
        plug.sendall(begun)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < PATIENCE_SECONDS:
                plug.sendall(b"a" if begun else b"")
                time.sleep(0.1)
                if not begun and plug.recv(1) == b"":
                    raise ConnectionError


@pytest.fixture
def site_with_a_large_file(site, tmp_path) -> dict[str, Path]:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(30_000_000))
    return site | {"/large.bin": large}


def test_a_reader_that_stalls_is_left(site_with_a_large_file, monkeypatch):
    monkeypatch.setattr(serving, "STALLED_SECONDS", 0.5)
    lost, left = serving.StrictProtocol.connection_lost, threading.Event()
    monkeypatch.setattr(serving.StrictProtocol, "connection_lost", lambda *given: (lost(*given), left.set()))
    with in_background(site_with_a_large_file) as url:
        port = urlsplit(url).port or 0
        with plugs(port, 1) as (plug,):
            plug.sendall(f"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            plug.recv(100)
            assert left.wait(PATIENCE_SECONDS)
            heard = 100
            with pytest.raises(ConnectionError):
                while piece := plug.recv(1 << 20):
                    heard += len(piece)
                raise ConnectionError
            assert heard < 30_000_000


def test_a_slow_reader_is_served_to_the_end(site_with_a_large_file, monkeypatch):
    monkeypatch.setattr(serving, "STALLED_SECONDS", 1.5)
    with in_background(site_with_a_large_file) as url:
        port = urlsplit(url).port or 0
        with plugs(port, 1) as (plug,):
            plug.sendall(f"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            heard = 0
            while piece := plug.recv(1 << 22):
                heard += len(piece)
                time.sleep(0.02)
    assert heard > 30_000_000


def test_only_loopback_is_listened_to_unless_told_otherwise(site):
    with listen("127.0.0.1", None) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.com")


def test_on_all_addresses_any_number_will_do_and_no_strangers_name(site):
    with listen("0.0.0.0", None) as listener:
        app = make_server(site, listener).config.app
        port = listener.getsockname()[1]
    assert app.is_ours(f"192.168.7.7:{port}")
    assert app.is_ours(f"[fe80::1]:{port}")
    assert app.is_ours(f"{socket.gethostname()}:{port}")
    assert not app.is_ours("192.168.7.7:1")
    assert not app.is_ours(f"evil.example:{port}")
    assert not app.is_ours(f"1.2.3.4.evil.example:{port}")
    assert app.home.startswith(f"http://{socket.gethostname()}")


CONNECTS = """
import socket, sys
def refuse(self, address, *rest):
    raise SystemExit(f"connects to {address}")
socket.socket.connect = socket.socket.connect_ex = refuse
from pathlib import Path
from armoire.publish.serve import listen, make_server
import threading, time
with listen("127.0.0.1", None) as listener:
    server = make_server({"/": Path(sys.argv[1])}, listener)
    threading.Timer(1, lambda: setattr(server, "should_exit", True)).start()
    server.run(sockets=[listener])
"""


def test_it_connects_to_nobody(site):
    subprocess.run([sys.executable, "-c", CONNECTS, site["/"]], check=True, timeout=60)
