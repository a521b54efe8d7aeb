"""A stand-in of the Hub on this machine: the requests of huggingface_hub that armoire causes, and faults on demand.

Large files are uploaded by the LFS interface and served from another host than the rest, as by the Hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_of_me"
MINE = ("me", "OWNER")  # owners that the token may write for
LARGE = (".safetensors", ".parquet", ".png")
REPOSITORY = r"(?P<repo>(?:datasets/)?[^/]+/[^/]+)"


@dataclass
class Fault:
    """A failure of requests whose "METHOD path" contains `where`: a status, or what becomes of a file's bytes."""

    where: str
    how: int | str
    times: float = float("inf")


@dataclass
class Repository:
    """Its commits, the oldest first: name and files."""

    private: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=lambda: [("0" * 40, {})])
    messages: list[str] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)

    def branch(self, branch: str, files: dict[str, bytes]) -> str:
        """Commit to another branch than main."""
        name = hashlib.sha1(repr((branch, sorted(files.items()))).encode()).hexdigest()
        self.commits.insert(0, (name, files))
        self.branches[branch] = name
        return name

    def commit(self, files: dict[str, bytes], message: str = "") -> str:
        name = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits.append((name, files))
        self.messages.append(message)
        return name

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        revision = self.branches.get(revision, revision)
        return next((commit for commit in self.commits if commit[0] == revision), None)


def blob_name(content: bytes) -> str:
    """Git's digest of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(name: str, content: bytes) -> bool:
    return bool(content) and name.endswith(LARGE)


@dataclass
class Hub:
    """The stand-in.

    Attributes:
        url: where it listens.
        repositories: by OWNER/NAME, or datasets/OWNER/NAME.
        faults: that are still to come.
        requests: the requests so far, as "METHOD path".
        authorised: those that carried a token.
        cards: that were sent for validation.
        wrong_facts: changes of a listing, by file: {"size": .., "lfs": ..}.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    authorised: list[str] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    wrong_facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_sending: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def env(self) -> dict[str, str]:
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "HF_HUB_ETAG_TIMEOUT": "5",
        }

    def fails(self, where: str, how: int | str, times: float = float("inf")) -> None:
        self.faults.append(Fault(where, how, times))

    def take_fault(self, request: str, kinds: type) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if isinstance(fault.how, kinds) and fault.where in request and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def asked(self, where: str) -> list[str]:
        return [request for request in self.requests if where in request]

    def files(self, repository: str, revision: str = "main") -> dict[str, bytes]:
        found = self.repositories[repository].at(revision)
        assert found
        return found[1]


class Handler(BaseHTTPRequestHandler):
    hub: ClassVar[Hub]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    @property
    def knows_you(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.hub.lock:
            self.hub.requests.append(request)
            if "Authorization" in self.headers:
                self.hub.authorised.append(request)
        if fault := self.hub.take_fault(request, int):
            self._refuse(int(fault.how), "it was asked to fail")
            return
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == ("GET" if self.command == "HEAD" else self.command):
                answer(self, body, **found.groupdict())
                return
        self._refuse(404, f"nothing at {request}")

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

    def _refuse(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send(json.dumps({"error": message}).encode(), headers | {"Content-Type": "application/json"}, status)

    def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self._begin(len(content), headers, status)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _repository(self, repo: str, writing: bool = False) -> Repository | None:
        found = self.hub.repositories.get(repo)
        if found is None or (found.private and not self.knows_you):
            self._refuse(404 if self.knows_you else 401, "Repository not found", "RepoNotFound")
            return None
        if writing and not self.knows_you:
            self._refuse(401, "Invalid username or password.")
            return None
        return found

    def whoami(self, _body: bytes) -> None:
        self._json({"name": "me"}) if self.knows_you else self._refuse(401, "Invalid credentials")

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo = f"{asked['organization'] or 'me'}/{asked['name']}"
        if not self.knows_you:
            self._refuse(401, "Invalid username or password.")
        elif repo.partition("/")[0] not in MINE:
            self._refuse(403, "You don't have the rights to create a model under the namespace")
        elif repo in self.hub.repositories:
            self._json({"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}, 409)
        else:
            self.hub.repositories[repo] = Repository(asked.get("visibility") == "private")
            self._json({"url": f"{self.hub.url}/{repo}"})

    def info(self, _body: bytes, repo: str, revision: str | None) -> None:
        if (repository := self._repository(repo)) is None:
            return
        if (commit := repository.at(revision or "main")) is None:
            self._refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return
        siblings = [self._sibling(name, content) for name, content in commit[1].items()]
        self._json({"id": repo, "sha": commit[0], "private": repository.private, "siblings": siblings})

    def _sibling(self, name: str, content: bytes) -> dict[str, Any]:
        facts: dict[str, Any] = {"rfilename": name}
        if "blobs=" in self.path:
            facts |= {"size": len(content), "blobId": blob_name(content)}
            if is_large(name, content):
                digest = hashlib.sha256(content).hexdigest()
                facts["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
        return facts | self.hub.wrong_facts.get(name, {})

    def tree(self, _body: bytes, repo: str, revision: str) -> None:
        if (repository := self._repository(repo)) is not None and (commit := repository.at(revision)) is not None:
            entries = []
            for name, content in commit[1].items():
                entry = {"type": "file", "path": name, "size": len(content), "oid": blob_name(content)}
                if is_large(name, content):
                    entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 1}
                entries.append(entry)
            self._json(entries)

    def preupload(self, body: bytes, repo: str, revision: str) -> None:
        repository = self._repository(repo, writing=True)
        commit = repository.at(revision) if repository else None
        if commit is None:
            return
        there = {name: blob_name(content) for name, content in commit[1].items() if not is_large(name, content)}
        files = []
        for name in (file["path"] for file in json.loads(body)["files"]):
            mode = "lfs" if name.endswith(LARGE) else "regular"
            files.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": there.get(name)})
        self._json({"files": files})

    def batch(self, body: bytes, repo: str) -> None:
        if self._repository(repo, writing=True) is None:
            return
        objects = []
        for one in json.loads(body)["objects"]:
            actions = {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}
            missing = {"actions": actions} if one["oid"] not in self.hub.objects else {}
            objects.append({"oid": one["oid"], "size": one["size"]} | missing)
        self._json({"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self._refuse(400, "not what was announced")
            return
        self.hub.objects[oid] = body
        self._send(b"", {})

    def commit(self, body: bytes, repo: str, revision: str) -> None:
        if (repository := self._repository(repo, writing=True)) is None:
            return
        header, *operations = [json.loads(line) for line in body.splitlines()]
        files = dict(repository.at(revision)[1])  # type: ignore[index]
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise AssertionError(operation["key"])
        name = repository.commit(files, header["value"]["summary"])
        self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{name}", "commitOid": name, "success": True})

    def check_card(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        self.hub.cards.append(content)
        self._json({"errors": [], "warnings": []})

    def resolve(self, _body: bytes, repo: str, revision: str, name: str) -> None:
        if (repository := self._repository(repo)) is None:
            return
        if (commit := repository.at(revision)) is None:
            self._refuse(404, "Invalid rev id", "RevisionNotFound")
        elif name not in commit[1]:
            self._refuse(404, "Entry not found", "EntryNotFound")
        elif is_large(name, content := commit[1][name]):
            digest = hashlib.sha256(content).hexdigest()
            self.hub.objects[digest] = content
            headers = {
                "X-Repo-Commit": commit[0],
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(content)),
                "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/cdn/{digest}/{name}",
            }
            self._send(b"", headers, 302)
        else:
            self._file(content, {"X-Repo-Commit": commit[0], "ETag": f'"{blob_name(content)}"'})

    def cdn(self, _body: bytes, oid: str, name: str) -> None:
        self._file(self.hub.objects[oid], {"ETag": f'"{oid}"'})

    def _file(self, content: bytes, headers: dict[str, str]) -> None:
        """A file or a range of it, or what a fault makes of that."""
        if self.command == "HEAD":
            self._send(content, headers)
            return
        fault = self.hub.take_fault(f"{self.command} {unquote(self.path)}", str)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        part, status = content[start:], 206 if asked else 200
        if fault is None:
            self._send(part, headers, status)
        else:
            getattr(self, f"_{fault.how}")(part, headers, status)

    def _changed(self, part: bytes, headers: dict[str, str], status: int) -> None:
        self._send(part[:-1] + bytes([part[-1] ^ 1]), headers, status)

    def _cut(self, part: bytes, headers: dict[str, str], status: int) -> None:
        """The first half, and then the end."""
        self._begin(len(part), headers, status)
        self.wfile.write(part[: len(part) // 2])
        self.wfile.flush()
        self.close_connection = True

    def _dropped(self, _part: bytes, _headers: dict[str, str], _status: int) -> None:
        self.close_connection = True

    def _endless(self, part: bytes, headers: dict[str, str], status: int) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(2000):
            self.wfile.write(part + b"x" * (1 << 16))
        self.close_connection = True

    def _slow(self, part: bytes, headers: dict[str, str], status: int) -> None:
        """The first half, and then nothing for long."""
        self._cut(part, headers, status)
        self.hub.is_sending.set()
        time.sleep(3)

    def _begin(self, length: int, headers: dict[str, str], status: int) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(length)} | headers).items():
            self.send_header(name, value)
        self.end_headers()


API = rf"/api/(?:models/)?{REPOSITORY}"
ROUTES: tuple[tuple[str, str, Callable[..., None]], ...] = (
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.check_card),
    ("GET", rf"{API}(?:/revision/(?P<revision>.+))?", Handler.info),
    ("GET", rf"{API}/tree/(?P<revision>.+)", Handler.tree),
    ("POST", rf"{API}/preupload/(?P<revision>.+)", Handler.preupload),
    ("POST", rf"{API}/commit/(?P<revision>.+)", Handler.commit),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.upload),
    ("GET", rf"/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", Handler.resolve),
    ("GET", r"/cdn/(?P<oid>[0-9a-f]{64})/(?P<name>.+)", Handler.cdn),
)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing: a client that is killed closes its connections."""


def visit(hub: Hub, patch: pytest.MonkeyPatch, home: Path) -> None:
    """Point the huggingface_hub of this process to a stand-in, with a token, a folder of its own, and no waiting."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    at_once = SimpleNamespace(**vars(time) | {"sleep": lambda _: None})
    for module in (_http, file_download):
        patch.setattr(module, "time", at_once)
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    for name, value in (hub.env | {"HF_HOME": str(home)}).items():
        patch.setenv(name, value)


@contextmanager
def running() -> Iterator[Hub]:
    """A stand-in while a block runs."""
    hub = Hub()
    server = Server(("127.0.0.1", 0), type("OneHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
