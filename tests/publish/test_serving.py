"""What the explorer's server answers and refuses over a socket, and how it ends."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from armoire.errors import ArmoireError
from armoire.publish import serve as serving
from armoire.publish.serve import HASHED, SECURITY_HEADERS, in_background, is_loopback, listen, make_server, serve

BIG = bytes(range(256)) * 4096  # a megabyte
TIMEOUT_SECONDS = 60  # generous, for a busy machine
TYPES = {
    "/": "text/html; charset=utf-8",
    "/index.html": "text/html; charset=utf-8",
    "/assets/index-CY6avwgp.js": "text/javascript; charset=utf-8",
    "/assets/plain.js": "text/javascript; charset=utf-8",
    "/assets/ort-Abc12345.wasm": "application/wasm",
    "/data/manifest.json": "application/json",
    "/data/latents.f32": "application/octet-stream",
    "/licenses.md": "text/plain; charset=utf-8",
}


def content(path: str) -> bytes:
    return BIG if path == "/data/latents.f32" else f"content of {path.replace('index.html', '')}".encode()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret.txt").write_text("secret")
    named = {path: folder / (path[1:] or "index.html") for path in TYPES}
    for path, file in named.items():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content(path))
    return named | {"/gone.bin": folder / "gone.bin", "/folder": folder}


@pytest.fixture(scope="module")
def port(files):
    with in_background(files) as url:
        yield urlsplit(url).port


class Answer:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize("path", TYPES)
def test_files_are_served_with_their_type_and_the_security_headers(port, path):
    answer = ask(port, path + "?x=../secret.txt")
    assert (answer.status, answer.body) == (200, content(path))
    assert answer.headers["content-type"] == TYPES[path]
    assert answer.headers["content-length"] == str(len(answer.body))
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert not {"server", "date", "content-encoding", "access-control-allow-origin"} & answer.headers.keys()
    head = ask(port, path, "HEAD")
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get")
NAMES = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2", "")
ORIGINS = ("http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "")
PATHS = ("/secret.txt", "/data", "/INDEX.HTML", "/gone.bin", "/folder", "/%69ndex.html", "//")
REFUSED = [
    *[(404, path, "GET", {}) for path in PATHS],
    *[(405, path, method, {}) for path in ("/", "/nothing") for method in METHODS],
    *[(421, "/", "GET", {"Host": host}) for name in NAMES for host in (name, name + ":{port}")],
    *[(421, "/", "GET", {"Host": name}) for name in ("127.0.0.1", "localhost", "[::1]", "localhost:1")],
    *[(403, "/data/manifest.json", "GET", {"Origin": origin}) for origin in ORIGINS],
    *[(413, "/", "GET", {"Content-Length": length}) for length in ("1", "9999999999")],
]


@pytest.mark.parametrize(("status", "path", "method", "headers"), REFUSED)
def test_requests_that_are_refused(port, status, path, method, headers):
    answer = ask(port, path, method, **{name: value.format(port=port) for name, value in headers.items()})
    assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers.get("allow") == ("GET, HEAD" if status == 405 else None)
    assert (answer.headers.get("connection") == "close") == (status != 404)
    assert (f"http://127.0.0.1:{port}/".encode() in answer.body) == (status == 421)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_own_host_names(port, name):
    assert ask(port, Host=f"{name}:{port}").status == 200


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        *[("cross-site", mode, 403) for mode in ("no-cors", "cors", "same-origin", "websocket", "")],
        *[("same-site", "no-cors", 403), ("cross-site", "navigate", 200), ("none", "navigate", 200)],
        *[("same-origin", "no-cors", 200), ("same-origin", "cors", 200)],
    ],
)
def test_pages_of_other_sites_may_only_link_here(port, site, mode, status):
    assert ask(port, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode).status == status
    assert ask(port, Origin=f"http://localhost:{port}", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode).status == status


def test_caching(port):
    first = ask(port, "/index.html")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for cached in (tag, f"W/{tag}", f'"other", {tag}'):
        again = ask(port, "/index.html", If_None_Match=cached)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert SECURITY_HEADERS.items() <= again.headers.items()
    assert ask(port, "/index.html", If_None_Match='"other"').status == 200
    assert ask(port, "/assets/plain.js").headers["cache-control"] == "no-cache"
    assert ask(port, "/assets/index-CY6avwgp.js").headers["cache-control"] == "max-age=31536000, immutable"
    assert HASHED.fullmatch("/assets/ort-wasm-simd-threaded-DaV_5x-1.wasm")
    assert not HASHED.fullmatch("/assets/ort-wasm-simd-threaded.wasm")
    assert not HASHED.fullmatch("/data/index-CY6avwgp.js")


def test_a_client_that_disconnects_does_not_affect_others(port, capfd):
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        client.sendall(f"GET /data/latents.f32 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        client.recv(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close() resets
        client.close()
    assert ask(port, "/data/latents.f32").body == BIG
    assert capfd.readouterr() == ("", "")


def test_a_bug_is_logged_and_answered_with_500(files, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("a bug")

    with in_background(files) as url:
        monkeypatch.setattr(serving, "file_response", broken)
        answer = ask(urlsplit(url).port)
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert [record.message for record in caplog.records] == ["armoire could not answer a request for /"]


@pytest.mark.parametrize(
    ("port", "error", "words"),
    [
        (65536, None, "there is no port 65536, only 1 to 65535: "),
        (80, errno.EADDRINUSE, "port 80 is taken by another program: choose another with --port"),
        (80, errno.EACCES, "port 80 is not allowed for this account: "),
        (80, errno.EIO, "cannot listen on 127.0.0.1, port 80: "),
    ],
)
def test_a_port_that_cannot_be_listened_on(files, monkeypatch, port, error, words):
    def refuse(*_, **__):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(serving.socket, "create_server", refuse)
    with pytest.raises(ArmoireError, match=f"^{words}"):
        serve(files, port, ready=pytest.fail)


def test_it_listens_on_loopback_by_default():
    with listen("127.0.0.1", None) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    loopback = {name: is_loopback(name) for name in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.com")}
    assert list(loopback.values()) == [True, True, True, False, False]


def test_on_all_addresses_every_ip_address_is_its_host_and_no_other_name(files):
    with listen("0.0.0.0", None) as listener:
        app = make_server(files, listener).config.app
        port = listener.getsockname()[1]
    for host in ("192.168.7.7", "[fe80::1]", socket.gethostname()):
        assert app.is_own(f"{host}:{port}")
    for authority in ("192.168.7.7:1", f"evil.example:{port}", f"1.2.3.4.evil.example:{port}"):
        assert not app.is_own(authority)
    assert app.url.startswith(f"http://{socket.gethostname()}")


PROGRAM = """
import signal, sys
from pathlib import Path
from armoire.publish.serve import serve
signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line does
def ready(url):
    print(url, flush=True)
    if sys.argv[2:]:
        signal.raise_signal(signal.SIGTERM)
serve({"/": Path(sys.argv[1])}, None, ready)
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_with_connections_open(tmp_path, number):
    """One is idle alive, one sends nothing, one does not read the answer."""
    (tmp_path / "big.bin").write_bytes(BIG * 40)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "big.bin")]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    port = urlsplit(program.stdout.readline().strip()).port
    assert port is not None
    idle = http.client.HTTPConnection("127.0.0.1", port)
    idle.request("HEAD", "/")
    idle.getresponse().read()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    clients[0].sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert clients[0].recv(1) == b"H"
    program.send_signal(number)
    out, err = program.communicate(timeout=TIMEOUT_SECONDS)
    assert (program.returncode, out, err) == (0, "ended\n", "")
    for client in (idle, *clients):
        client.close()


def test_a_signal_before_the_first_request_ends_the_server(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "now"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (0, ["ended"], "")


def test_the_server_opens_no_connection(files, monkeypatch):
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda *_: pytest.fail("it connects"))
    with listen("127.0.0.1", None) as listener:
        server = make_server(files, listener)
        server.should_exit = True  # once it has started
        server.run(sockets=[listener])
