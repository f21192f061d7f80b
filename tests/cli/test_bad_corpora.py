"""Corpora with faults on the command line: a message that names file and row, what is left out, and exit code 3 with --strict."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers_beat2 import NAMES, tiny_corpus
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.training.cache import cached_dataset

Call = Callable[..., Any]
BAD = NAMES[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_corpus(tmp_path_factory.mktemp("corpus") / "c", NAMES[:3], 11.0)


@pytest.fixture
def corpus(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "corpus"))


@pytest.fixture
def train(call: Call, corpus: Path, tmp_path: Path) -> Call:
    def run(*arguments: object) -> Any:
        fixed = ("--profile", "starter", "--part", "lower", "--device", "cpu", "--held-out", "", "--features", tmp_path / "store")
        return call("train", "vae", "--data", corpus, "--out", tmp_path / "out", *fixed, *arguments)

    return run


def _smplh(corpus: Path) -> None:
    np.savez(corpus / "smplxflame_30" / f"{BAD}.npz", poses=np.zeros((300, 156)), trans=np.zeros((300, 3)), mocap_frame_rate=np.array(30))


def _rows(corpus: Path, folder: str, ending: str, text: str) -> None:
    (corpus / folder / f"{BAD}{ending}").write_text(text)


def _no_words(corpus: Path) -> None:
    (corpus / "textgrid" / f"{BAD}.TextGrid").unlink()
    (corpus / "discourse_rels" / f"{BAD}_whisper_relations.json").unlink()


def _twice(corpus: Path) -> None:
    (corpus / "train_test_split.csv").write_text(f"id,type\n{BAD},train\n{NAMES[1]},train\n{BAD},train\n")


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no recording": (lambda c: (c / "wave16k" / f"{BAD}.wav").unlink(), rf"{BAD}\.wav: no such file"),
    "no words": (_no_words, "no such file, nor"),
    "half a motion": (lambda c: (c / "smplxflame_30" / f"{BAD}.npz").write_bytes(b"PK\x03\x04"), rf"{BAD}\.npz: cannot be read"),
    "SMPL-H": (_smplh, r"poses \(300, 156\); expected \(frames, 165\)"),
    "a row out of range": (lambda c: _rows(c, "sem", ".txt", "06_iconic_big\t90\t91\t1\t1\tbig\n"), rf"{BAD}\.txt: row 1, from 90\.0 s"),
    "a malformed row": (lambda c: _rows(c, "prom", ".prom", "x\t1\n"), rf"{BAD}\.prom: row 1 has 2 columns"),
    "a clip twice": (_twice, r"row 4 names '2_scott_0_1_1' again"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_with_strict_a_fault_is_an_error(train: Call, corpus: Path, fault: str) -> None:
    harm, message = FAULTS[fault]
    harm(corpus)
    strict = train("--strict")
    assert strict.code == 3 and re.search(message, strict.error), strict.err


def test_without_strict_faults_are_named_and_cost_no_more_than_themselves(corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for fault in ("no recording", "a clip twice"):
        FAULTS[fault][0](corpus)
    (corpus / "sem" / f"{NAMES[1]}.txt").write_text("06_iconic_big\t90\t91\t1\t1\tbig\n")
    data = cached_dataset(corpus, "train", tmp_path / "store", text_encoder("minilm"), audio_encoder("accents"))
    assert data.names == (NAMES[1],)
    for message in (FAULTS["no recording"][1], FAULTS["a clip twice"][1], rf"{NAMES[1]}\.txt: row 1, from 90\.0 s"):
        assert re.search(message, caplog.text), caplog.text


def test_nothing_usable(train: Call, corpus: Path) -> None:
    for path in (corpus / "wave16k").iterdir():
        path.unlink()
    found = train()
    assert found.code == 3 and "no clip of the split 'train' can be used" in found.error and "no such file" in found.error


def test_an_index_shares_the_store_of_training(call: Call, corpus: Path, tmp_path: Path) -> None:
    cached_dataset(corpus, "train", tmp_path / "store", text_encoder("minilm"), audio_encoder("accents"))
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "clips").iterdir()}
    assert len(shards) == 2
    answers = []
    for out, more in (("shared", ("--features", tmp_path / "store")), ("plain", ())):
        found = call("index", "build", corpus, "--out", tmp_path / out / "i", "--json", *more)
        assert found.code == 0, found.err
        answers.append(json.loads(found.out)["manifest"]["files"])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "clips").iterdir()} == shards
    assert answers[0] == answers[1]
