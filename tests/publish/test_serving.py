"""The server as a socket sees it: what it gives, what it refuses, and how it ends."""

from __future__ import annotations

import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from armoire.errors import ArmoireError
from armoire.publish import serve as serving
from armoire.publish.serve import HASHED, ON_EVERY_ANSWER, in_background, listen, serve

BIG = bytes(range(256)) * 4096  # a megabyte
PATIENCE_SECONDS = 60  # on a machine that does much else; nothing waits as long where all is well
FILES = {
    "index.html": b"<!doctype html>",
    "assets/index-CY6avwgp.js": b"export {}",
    "assets/plain.js": b"export {}",
    "assets/ort-Abc12345.wasm": b"\0asm",
    "data/manifest.json": b"{}",
    "data/latents.f32": BIG,
    "data/decoder.onnx": b"onnx",
    "licenses.md": b"# Licences",
}
TYPES = {
    "/": "text/html; charset=utf-8",
    "/assets/index-CY6avwgp.js": "text/javascript; charset=utf-8",
    "/assets/ort-Abc12345.wasm": "application/wasm",
    "/data/manifest.json": "application/json",
    "/data/latents.f32": "application/octet-stream",
    "/data/decoder.onnx": "application/octet-stream",
    "/licenses.md": "text/plain; charset=utf-8",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret.txt").write_text("secret")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    named = {f"/{name}": folder / name for name in FILES}
    return named | {"/": folder / "index.html", "/gone.bin": folder / "gone.bin", "/folder": folder}


@pytest.fixture(scope="module")
def port(files):
    with in_background(files) as url:
        yield urlsplit(url).port


class Answer:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}


def ask(port: int, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def say(port: int, text: bytes | str, host: bool = True) -> bytes:
    """What the server answers to these very bytes; it is asked to hang up after."""
    if isinstance(text, str):
        text = text.encode("latin-1")
    if host:
        text = text.replace(b"\r\n", f"\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n".encode(), 1)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plug:
        plug.sendall(text)
        heard = b""
        while piece := plug.recv(65536):
            heard += piece
    return heard


@pytest.mark.parametrize("path", TYPES)
def test_a_file_comes_whole_with_its_type_and_the_headers_of_every_answer(port, path):
    answer = ask(port, path)
    assert (answer.status, answer.body) == (200, FILES[path[1:] or "index.html"])
    assert answer.headers["content-type"] == TYPES[path]
    assert answer.headers["content-length"] == str(len(answer.body))
    assert ON_EVERY_ANSWER.items() <= answer.headers.items()
    assert not {"server", "date", "content-encoding", "access-control-allow-origin"} & answer.headers.keys()


def test_head_has_the_headers_and_no_body(port):
    got, head = ask(port, "/data/latents.f32"), ask(port, "/data/latents.f32", "HEAD")
    assert head.body == b""
    assert (head.status, head.headers) == (200, got.headers)
    assert ask(port, "/nothing", "HEAD").status == 404


def test_a_question_mark_changes_nothing(port):
    assert ask(port, "/index.html?x=../secret.txt").body == FILES["index.html"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/secret.txt",
            "/index.html/",
            "/data",
            "/data/",
            "//",
            "//index.html",
            "/data//manifest.json",
            "/./index.html",
        ),
        *("/data/../secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%69ndex.html"),
        *("/..\\secret.txt", "/data\\manifest.json", "/data%5cmanifest.json", "/index.html%00", "/%00", "/%ff", "/%"),
        *("/INDEX.HTML", "/index.html;x", "*", "index.html", "http://127.0.0.1/", "http://evil.example/index.html"),
        *("/index.html%20", "/gone.bin", "/folder", "/.built", "/assets/", "file:///etc/passwd"),
    ],
)
def test_every_other_path_is_not_found(port, path):
    heard = say(port, f"GET {path} HTTP/1.1\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 404 ")
    assert heard.endswith(b"\r\n\r\nthere is no such file here\n")


@pytest.mark.parametrize("path", ["/", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
def test_other_methods_are_not_allowed(port, method, path):
    heard = say(port, f"{method} {path} HTTP/1.1\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: GET, HEAD\r\n" in heard


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2", ""])
def test_another_host_is_a_misdirected_request(port, name):
    for host in (name, f"{name}:{port}"):
        answer = ask(port, Host=host)
        assert answer.status == 421
        assert f"http://127.0.0.1:{port}/".encode() in answer.body
        assert ON_EVERY_ANSWER.items() <= answer.headers.items()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_our_own_names_are_answered_with_our_port_only(port, name):
    assert ask(port, Host=f"{name}:{port}").status == 200
    assert ask(port, Host=f"{name}:{port + 1}").status == 421
    assert ask(port, Host=name).status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{}", "http://127.0.0.1:1", ""])
def test_another_origin_is_refused(port, origin):
    answer = ask(port, "/data/manifest.json", Origin=origin.format(port))
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_our_own_origin_is_welcome(port):
    assert ask(port, Origin=f"http://127.0.0.1:{port}").status == 200
    assert (
        ask(port, Origin=f"http://localhost:{port}", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200
    )


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        *[("cross-site", mode, 403) for mode in ("no-cors", "cors", "same-origin", "websocket", "")],
        *[("same-site", "no-cors", 403), ("cross-site", "navigate", 200), ("none", "navigate", 200)],
        *[("same-origin", "no-cors", 200), ("same-origin", "cors", 200)],
    ],
)
def test_other_sites_may_link_here_and_nothing_else(port, site, mode, status):
    assert ask(port, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode).status == status


def test_a_copy_is_asked_after_or_kept_for_good(port):
    first = ask(port, "/index.html")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = ask(port, "/index.html", If_None_Match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert ON_EVERY_ANSWER.items() <= again.headers.items()
    assert ask(port, "/index.html", If_None_Match='"other"').status == 200
    assert ask(port, "/assets/plain.js").headers["cache-control"] == "no-cache"
    assert ask(port, "/assets/index-CY6avwgp.js").headers["cache-control"] == "max-age=31536000, immutable"
    assert ask(port, "/nothing").headers["cache-control"] == "no-store"


def test_only_a_hash_makes_a_name_last():
    assert HASHED.fullmatch("/assets/ort-wasm-simd-threaded-DaV_5x-1.wasm")
    assert not HASHED.fullmatch("/assets/ort-wasm-simd-threaded.wasm")
    assert not HASHED.fullmatch("/assets/ort-wasm-simd-threaded.jsep.mjs")
    assert not HASHED.fullmatch("/data/index-CY6avwgp.js")


def test_a_changed_file_has_another_tag(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("one")
    with in_background({"/": page}) as url:
        port = urlsplit(url).port
        tag = ask(port).headers["etag"]
        page.write_text("other")
        answer = ask(port, If_None_Match=tag)
        assert (answer.status, answer.body) == (200, b"other")


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("0-3", BIG[:4]), ("1000000-", BIG[1000000:]), ("-5", BIG[-5:]), ("10-99999999", BIG[10:])],
)
def test_a_range_of_a_file(port, wanted, part):
    answer = ask(port, "/data/latents.f32", Range=f"bytes={wanted}")
    assert (answer.status, answer.body) == (206, part)
    start = BIG.rindex(part) if wanted[0] == "-" else int(wanted.split("-")[0])
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(BIG)}"
    assert answer.headers["etag"] == ask(port, "/data/latents.f32", "HEAD").headers["etag"]


def test_a_range_holds_for_the_version_it_was_meant_for(port):
    tag = ask(port, "/data/latents.f32", "HEAD").headers["etag"]
    assert ask(port, "/data/latents.f32", Range="bytes=0-3", If_Range=tag).status == 206
    assert ask(port, "/data/latents.f32", Range="bytes=0-3", If_Range='"other"').body == BIG


def test_a_range_past_the_end_cannot_be_had(port):
    answer = ask(port, "/data/latents.f32", Range="bytes=99999999-")
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(BIG)}")
    assert ON_EVERY_ANSWER.items() <= answer.headers.items()


@pytest.mark.parametrize(
    "wanted",
    ["bytes=0-1,4-5", "bytes=" + ",".join("0-" for _ in range(3000)), "lines=1-2", "bytes=a-b", "bytes=-", "x"],
)
def test_several_ranges_and_nonsense_get_the_whole_file(port, wanted):
    answer = ask(port, "/data/latents.f32", Range=wanted)
    assert (answer.status, len(answer.body)) == (200, len(BIG))


@pytest.mark.parametrize(
    ("body", "headers"), [(b"x" * 10, {}), (None, {"Content-Length": "9999999999"}), (None, {"Content-Length": "1"})]
)
def test_a_body_is_not_read(port, body, headers):
    answer = ask(port, body=body, **headers)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    "text",
    [
        *(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/x.y\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\n\n"),
        *(b"GET /a b HTTP/1.1\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"),
        *(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: {}\r\nHost: evil.example\r\n\r\n"),
        *(b"GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",),
        *(b"GET / HTTP/1.1\r\nHost: {}\r\nA : b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: {}\r\nA: b\r\n folded\0\r\n\r\n"),
        *(b"GET / HTTP/1.1\r\nHost: {}\r\nA: " + b"a" * 70000, b"GET /" + b"a" * 70000),
        *(b"GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: -1\r\n\r\n", b"\r\n" * 40000),
    ],
)
def test_what_is_no_request_is_refused_with_the_headers_of_every_answer(port, text):
    heard = say(port, text.replace(b"{}", f"127.0.0.1:{port}".encode()), host=False)
    assert heard.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    for name, value in ON_EVERY_ANSWER.items():
        assert f"\r\n{name}: {value}\r\n".encode() in heard
    assert heard.count(b"HTTP/1.1 ") == 1
    assert ask(port).status == 200


def test_broken_chunks_are_refused_quietly(port, capfd):
    heard = say(port, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n\r\n")
    assert heard.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
    assert ask(port).status == 200
    assert capfd.readouterr() == ("", "")


def test_an_upgrade_is_not_made(port):
    heard = say(
        port, "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
    )
    assert heard.startswith(b"HTTP/1.1 200 ")


def test_one_connection_serves_many_requests_also_piped(port):
    one = f"GET /data/manifest.json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    last = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    assert say(port, one * 9 + last, host=False).count(b"\r\n\r\n{}") == 10


def test_a_reader_that_leaves_half_way_disturbs_nobody(port, capfd):
    for _ in range(5):
        plug = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        plug.sendall(f"GET /data/latents.f32 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        plug.recv(10)
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        plug.close()
    assert ask(port, "/data/latents.f32").body == BIG
    assert capfd.readouterr() == ("", "")


def test_of_too_many_connections_the_idlest_gives_way(files, monkeypatch):
    monkeypatch.setattr(serving, "CONNECTIONS", 4)
    with in_background(files) as url:
        port = urlsplit(url).port
        plugs = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) for _ in range(4)]
        assert ask(port).status == 200
        with pytest.raises(ConnectionError):
            if plugs[0].recv(1) == b"":
                raise ConnectionError
        for plug in plugs:
            plug.close()


def test_a_connection_that_says_nothing_more_is_ended(files, monkeypatch):
    monkeypatch.setattr(serving, "KEEP_ALIVE_SECONDS", 1)
    with in_background(files) as url:
        port = urlsplit(url).port
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plug:
            plug.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            heard = b""
            while piece := plug.recv(65536):
                heard += piece
            assert heard.endswith(FILES["index.html"])


def test_a_taken_port_is_told_of_in_one_sentence(port, files):
    with pytest.raises(ArmoireError, match=rf"^port {port} is taken by another program: choose another with --port"):
        serve(files, port, ready=pytest.fail)


@pytest.mark.parametrize("number", [-1, 65536, 10**20])
def test_a_port_that_is_none_is_told_of(files, number):
    with pytest.raises(ArmoireError, match=rf"^there is no port {number}, only 1 to 65535: "):
        serve(files, number, ready=pytest.fail)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "port 80 is not allowed for this account: "), (errno.EIO, "cannot listen on ")]
)
def test_a_port_that_may_not_be_used_is_told_of(monkeypatch, number, words):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(serving.socket, "create_server", refuse)
    with pytest.raises(ArmoireError, match=f"^{words}"):
        listen("127.0.0.1", 80)


def test_only_this_machine_is_listened_to(port):
    with listen("127.0.0.1", None) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


# The report imports torch and matplotlib, which takes seconds and has no part in this.
PROGRAM = """
import sys, types
from pathlib import Path
sys.modules["armoire.publish.report"] = types.SimpleNamespace(write_report=None)
from armoire.publish import serve as serving
serving.KEEP_ALIVE_SECONDS = serving.REQUEST_SECONDS = serving.STALLED_SECONDS = 600
serving.serve({"/": Path(sys.argv[1])}, None, ready=lambda url: print(url, flush=True))
print("ended in peace", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_and_in_peace(tmp_path, number):
    """With a connection kept alive, one that says nothing and one that does not read what it asked for."""
    (tmp_path / "big.bin").write_bytes(BIG * 40)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "big.bin")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    port = urlsplit(program.stdout.readline().strip()).port
    assert port is not None
    kept = http.client.HTTPConnection("127.0.0.1", port)
    kept.request("HEAD", "/")
    kept.getresponse().read()
    plugs = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    plugs[0].sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert plugs[0].recv(1) == b"H"
    program.send_signal(number)
    out, err = program.communicate(timeout=PATIENCE_SECONDS)  # far less than it would wait for any of them
    assert (program.returncode, out, err) == (0, "ended in peace\n", "")
    for plug in (kept, *plugs):
        plug.close()


def test_signals_are_as_they_were_after_it(files):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        os.kill(os.getpid(), signal.SIGTERM)  # before it runs: it must not be lost

    serve(files, None, ready)
    assert len(urls) == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_in_a_thread_signals_are_left_alone(files):
    before = signal.getsignal(signal.SIGINT)
    with in_background(files) as url:
        assert threading.active_count() > 1
        assert signal.getsignal(signal.SIGINT) is before
        assert json.loads(ask(urlsplit(url).port, "/data/manifest.json").body) == {}


def test_a_bug_of_ours_is_logged_and_answered(files, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("a bug")

    with in_background(files) as url:
        monkeypatch.setattr(serving, "file_answer", broken)
        answer = ask(urlsplit(url).port)
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert ON_EVERY_ANSWER.items() <= answer.headers.items()
    assert [record.message for record in caplog.records] == ["armoire could not answer a request for /"]
