"""``raggesture index`` from the command line: build, add, remove, search, info, verify."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers_library import make_corpus, make_plain, without

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus") / "c")


@pytest.fixture(scope="module")
def built(corpus: Path) -> Path:
    from raggesture.cli.app import run

    assert run(["index", "build", str(corpus), "--out", str(corpus.parent / "built"), "--licence", "CC0", "-q"]) == 0
    return corpus.parent / "built"


@pytest.fixture
def index(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "i")
    return tmp_path / "i"


def test_build_with_a_bad_clip(call: Call, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c")
    without(corpus, "2_bob_0_1_1", "wave")
    found = call("index", "build", corpus, "--out", tmp_path / "i", "--json")
    assert found.code == 0, found.err
    data = json.loads(found.out)
    assert data["manifest"]["clips"] == 2 and dict(data["kinds"])["iconic"] == 4
    assert [each["clip"] for each in data["left_out"]] == ["2_bob_0_1_1"] and "motion without audio" in data["left_out"][0]["reason"]
    assert "left out: " in found.err and "1 clips and 0 rows left out" in found.err
    strict = call("index", "build", corpus, "--out", tmp_path / "j", "--strict")
    assert strict.code == 3 and "2_bob_0_1_1.npz: motion without audio" in strict.error and not (tmp_path / "j").exists()


def test_build_refuses_an_index_that_is_there(call: Call, corpus: Path, index: Path) -> None:
    before = (index / "manifest.json").read_bytes()
    assert call("index", "build", corpus, "--out", index).code == 2
    assert (index / "manifest.json").read_bytes() == before
    assert call("index", "build", corpus, "--out", index, "--force", "--speaker", "ann", "-q").code == 0
    assert json.loads(call("index", "info", index, "--json").out)["manifest"]["clips"] == 2


def test_build_of_a_plain_folder_on_the_released_grid(call: Call, tmp_path: Path) -> None:
    make_plain(tmp_path / "takes", "hello")
    found = call("index", "build", tmp_path / "takes", "--out", tmp_path / "i", "--released-grid")
    assert found.code == 0 and "published sliding grid" in found.out and "labels" in found.out, found.err


def test_info(call: Call, index: Path) -> None:
    shown = call("index", "info", index).out
    for part in ("15 exemplars in 3 clips", "minilm (384), accents (14)", "licence: CC0", "derived by the program: stroke", "iconic\t6", "ann\t10", "right\t"):
        assert part in shown, part
    data = json.loads(call("index", "info", index, "--json").out)
    assert dict(data["speakers"]) == {"ann": 10, "bob": 5} and dict(data["kinds"])["Comparison.Contrast"] == 3
    assert data["duration_s"] == pytest.approx(31.5, abs=0.3)


def test_info_says_how_well_it_is_searched(call: Call, index: Path) -> None:
    report = json.loads(call("index", "info", index, "--recall", "5", "--json").out)["recall"]
    assert (report["events"], report["queries"], report["recall"]) == (15, 5, 1.0)
    assert report["exact_ms"] > 0 < report["neighbours_bytes"]
    assert "recall@10 1.000" in call("index", "info", index, "--recall", "3").out
    assert "recall@10" not in call("index", "info", index).out


def test_add_and_remove(call: Call, corpus: Path, index: Path, tmp_path: Path) -> None:
    more = make_corpus(tmp_path / "more", ("3_eve_0_1_1", "1_ann_0_1_1"))
    found = call("index", "add", index, more, "--json")
    assert found.code == 0 and json.loads(found.out)["added"] == ["3_eve_0_1_1"]
    assert "already" in json.loads(found.out)["left_out"][0]["reason"]
    assert call("index", "add", index, more, "--strict").code == 3
    gone = call("index", "remove", index, "--speaker", "ann", "--clip", "2_bob_0_1_1", "--json")
    assert json.loads(gone.out)["removed"] == ["1_ann_0_1_1", "1_ann_0_2_2", "2_bob_0_1_1"]
    assert json.loads(gone.out)["manifest"]["speakers"] == ["eve"]
    assert call("index", "verify", index).code == 0
    for arguments in (("--clip", "nobody"), (), ("--speaker", "eve")):
        assert call("index", "remove", index, *arguments).code == 2


def test_search_explains_every_score(call: Call, index: Path) -> None:
    hits = json.loads(call("index", "search", index, "--word", "enormous", "--kind", "iconic", "--json").out)["hits"]
    assert hits[0]["exemplar"]["word"] == "huge" and hits[0]["sentence"] == "a huge mountain stood there."
    assert all(sum(hit["terms"].values()) == pytest.approx(hit["score"]) for hit in hits)
    lines = call("index", "search", index, "--word", "huge").out.splitlines()
    assert lines[0].split("\t")[-1] == "terms" and "word 5.00" in lines[1]


def test_search_narrows_by_speaker_and_hand(call: Call, index: Path) -> None:
    hits = json.loads(call("index", "search", index, "--kind", "iconic", "--speaker", "bob", "--hand", "right", "--json").out)["hits"]
    assert hits and {(hit["exemplar"]["speaker"], hit["exemplar"]["hand"]) for hit in hits} == {("bob", "right")}
    for option, name in (("--speaker", "bo"), ("--hand", "rigth")):
        found = call("index", "search", index, "--kind", "iconic", option, name)
        assert found.code == 2 and "did you mean" in found.error


def test_search_by_text(call: Call, index: Path) -> None:
    hits = json.loads(call("index", "search", index, "--text", "an enormous hill was standing in that place", "--json", "--limit", 4).out)["hits"]
    assert {hit["sentence"] for hit in hits} == {"a huge mountain stood there."} and set(hits[0]["terms"]) == {"sentence"}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    kinds = json.loads(call("index", "search", index, "--text", "birds", "--kind", "beat", "--json").out)["hits"]
    assert {hit["exemplar"]["kind"] for hit in kinds} == {"beat"}


def test_search_as_a_retriever_does(call: Call, index: Path) -> None:
    found = call("index", "search", index, "--retriever", "discourse", "--text", "I like it, but he is tired of it", "--json")
    (hit,) = json.loads(found.out)["hits"]
    assert hit["query"] == {"word": "but", "kind": hit["exemplar"]["kind"]} and hit["exemplar"]["word"] == "but"
    assert json.loads(call("index", "search", index, "--retriever", "none", "--word", "huge", "--json").out)["hits"] == []
    wrong = call("index", "search", index, "--retriever", "discource", "--word", "huge")
    assert wrong.code == 4 and "did you mean 'discourse'" in wrong.error


def test_an_index_kept_by_a_plugin_that_is_not_there(call: Call) -> None:
    for command in (("info",), ("search", "--word", "huge"), ("verify",), ("remove", "--clip", "x"), ("add", "corpus")):
        found = call("index", command[0], "pg://localhost/gestures", *command[1:])
        assert found.code == 4 and "nobody knows this scheme" in found.error
    found = call("index", "upgrade", "pg://localhost/gestures")
    assert found.code == 2 and "kept by a plugin" in found.error


def test_nothing_found_is_an_answer(call: Call, index: Path) -> None:
    found = call("index", "search", index, "--kind", "Contingency.Purpose", "--json")
    assert found.code == 0 and json.loads(found.out)["hits"] == [] and "the index holds" in found.err


@pytest.mark.parametrize("pattern", ["rows-*", "events-*", "vectors-*", "segment-*"])
def test_verify_names_what_is_harmed(call: Call, index: Path, pattern: str) -> None:
    (path,) = index.glob(pattern)
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(bytes(data))
    found = call("index", "verify", index, "--json")
    assert found.code == 5 and path.name in found.error
    assert json.loads(found.out)["intact"] is False
    assert call("index", "info", index).code == 5


def test_an_index_of_the_first_schema_says_what_to_do(call: Call, index: Path) -> None:
    path = index / "manifest.json"
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 1'))
    found = call("index", "info", index)
    assert found.code == 5 and "index upgrade" in found.error


def test_the_packaged_index_is_of_the_present_schema(call: Call) -> None:
    found = call("index", "upgrade", "starter")
    assert found.code == 0 and "nothing to do" in found.out
    assert call("index", "verify", "starter").code == 0


def test_an_index_in_a_folder_nobody_may_write(call: Call, corpus: Path, index: Path) -> None:
    import os

    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    index.chmod(0o555)
    try:
        found = call("index", "remove", index, "--speaker", "bob")
        assert found.code == 2 and "cannot be written to" in found.error
    finally:
        index.chmod(0o755)


def test_info_draws_what_the_packaged_index_holds(call: Call, tmp_path: Path) -> None:
    from PIL import Image

    from raggesture.resources import packaged_dir

    index, picture = packaged_dir("starter", "index"), tmp_path / "index.png"
    found = call("index", "info", index, "--plot", picture)
    assert found.code == 0, found.err
    with Image.open(picture) as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    assert pixels.shape[1] > 1200 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    first = picture.read_bytes()
    again = call("index", "info", index, "--plot", picture)
    assert again.code == 2 and "exists" in again.error
    assert call("index", "info", index, "--plot", picture, "--force").code == 0 and picture.read_bytes() == first
    assert call("index", "info", index, "--plot", tmp_path / "none" / "x.png").code == 0
