"""Fetching a repository from a stand-in of the hub on this machine: whole, broken off, altered, missing, offline."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from raggesture.errors import ModelError
from raggesture.models import hub

REPOSITORY = "m-hamza-mughal/rag-gesture-weights"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "diffusion/epoch_64.pth": bytes(range(256)) * 512,
    "vae/upper/upper.yaml": b"nfeats: 78\n",
    "videos/demo.mp4": b"not asked for",
}


class Hub(ThreadingHTTPServer):
    """Answers as the hub does: listing, heads with checksums, ranges. ``cut``: bytes after which the next transfer breaks off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, str, str | None]] = []
        self.cut: int | None = None
        self.altered = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append((self.command, path, self.headers.get("Range")))
        if path.startswith(f"/api/models/{REPOSITORY}"):
            if "/tree/" in path:
                listing = [{"type": "file", "path": name, "size": len(data), "oid": _git(data)} for name, data in FILES.items()]
                return self._send(200, json.dumps(listing).encode(), body=body)
            siblings = [{"rfilename": name} for name in FILES]
            info = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}
            return self._send(200, json.dumps(info).encode(), body=body)
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        if name not in FILES:
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
        return self._file(FILES[name], body=body)

    def _file(self, data: bytes, *, body: bool) -> None:
        digest = hashlib.sha256(data).hexdigest() if len(data) > 1000 else _git(data)
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if self.server.altered and body:
            data = bytes([data[0] ^ 1]) + data[1:]
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = self.server.cut if body and len(data) > 1000 else None
        self._send(206 if asked else 200, data[start:], headers, body=body, cut=cut)

    def _send(self, code: int, data: bytes, headers: dict[str, str] | None = None, *, body: bool, cut: int | None = None) -> None:
        self.send_response(code)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data if cut is None else data[:cut])
        if cut is not None and body:
            self.server.cut = None
            self.close_connection = True


def _git(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    served = Hub()
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", served.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 14)  # 10 MB otherwise, and what breaks off within a chunk is fetched again
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", served.address)
    yield served
    served.shutdown()
    served.server_close()


def transfers(server: Hub, name: str) -> list[str | None]:
    return [range_ for method, path, range_ in server.asked if method == "GET" and path.endswith(name)]


def test_fetched_once_and_checked(server: Hub, tmp_path: Path) -> None:
    folder = hub.fetch_repository(REPOSITORY, cache=tmp_path)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {name: data for name, data in FILES.items() if not name.endswith(".mp4")}
    assert hub.verify_snapshot(folder, "") == 2
    hub.fetch_repository(REPOSITORY, cache=tmp_path)
    assert len(transfers(server, "epoch_64.pth")) == 1


def test_a_broken_transfer_goes_on(server: Hub, tmp_path: Path) -> None:
    server.cut = 50_000
    folder = hub.fetch_repository(REPOSITORY, cache=tmp_path)
    assert (folder / "diffusion/epoch_64.pth").read_bytes() == FILES["diffusion/epoch_64.pth"]
    first, second = transfers(server, "epoch_64.pth")
    assert first is None and second is not None and second.startswith("bytes=")


def test_altered_on_the_way(server: Hub, tmp_path: Path) -> None:
    server.altered = True
    with pytest.raises(ModelError, match=r"checksum .* as its server said - remove .*hf download m-hamza-mughal/rag-gesture-weights"):
        hub.fetch_repository(REPOSITORY, cache=tmp_path)


def test_no_such_repository(server: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the hub has no such repository"):
        hub.fetch_repository("nobody/nothing", cache=tmp_path)


def test_offline_from_the_cache(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub.fetch_repository(REPOSITORY, cache=tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(server.asked)
    assert hub.fetch_repository(REPOSITORY, cache=tmp_path) == folder
    with pytest.raises(ModelError, match="run 'hf download other/weights'"):
        hub.fetch_repository("other/weights", cache=tmp_path)
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("text", "is_one"), [("a/b", True), (REPOSITORY, True), ("a", False), ("./a/b", False), ("../a", False), ("/a/b", False), ("a/b/c", False)]
)
def test_what_is_a_repository(text: str, is_one: bool) -> None:
    assert hub.is_repository(text) == is_one


def test_a_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hub.is_repository("experiments/mine")
    (tmp_path / "experiments" / "mine").mkdir(parents=True)
    assert not hub.is_repository("experiments/mine")
