"""Inverted exemplars on disk: same bytes, whole files, bounded, never stale."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_synthesis import Asking, Rates, tiny_model, toy_index, toy_pipeline, toy_speech
from raggesture.errors import ConfigError
from raggesture.inversions import InversionCache, Inverted, folder_for, inverted
from raggesture.pipeline import GenerateOptions, Pipeline
from raggesture.resources import packaged_dir
from raggesture.retrieval.build import check_target
from raggesture.retrieval.store import INVERSIONS, read_manifest, swap_manifest
from raggesture.synthesis import Synthesizer
from raggesture.trace import Identity

ONE = Inverted("model", "index", "anchored", "dpm++ 0,9,999", 3, "rules", "clip", 7, (2, 4), "cpu")
SHAPE = (3, 4, 2)
ASKING = Asking((1, "iconic"), (8, "metaphoric"))
LESS = Asking((8, "metaphoric"))
KEPT = GenerateOptions(steps=6, cache="exact")


def levels(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    made = toy_pipeline(tmp_path / "toy")
    made.identities = (Identity("tiny", "of the model"), Identity("toy", "of the index"))
    return made


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many exemplars each inversion was asked for."""
    seen: list[int] = []
    plain = Synthesizer.invert

    def counted(self: Synthesizer, latents: torch.Tensor, conditions: object) -> torch.Tensor:
        seen.append(len(latents))
        return plain(self, latents, conditions)  # type: ignore[arg-type]

    monkeypatch.setattr(Synthesizer, "invert", counted)
    yield seen


def motion(pipeline: Pipeline, options: GenerateOptions, asking: Asking = ASKING) -> bytes:
    made = pipeline.generate(toy_speech(9.0), options, retriever=asking, schedule=Rates(1.0)).motion
    return b"".join(np.ascontiguousarray(track).tobytes() for track in (made.rotations, made.translation, made.expression))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_the_same_bytes_with_and_without(pipeline: Pipeline, calls: list[int]) -> None:
    without = motion(pipeline, replace(KEPT, cache="off"))
    assert pipeline.index is not None and not (pipeline.index.path / INVERSIONS).exists()
    filling, read = motion(pipeline, KEPT), motion(pipeline, KEPT)
    assert without == filling == read and calls == [2, 2]
    kept = files(pipeline.index.path / INVERSIONS)
    assert [path.suffix for path in kept] == [".safetensors"] * 2
    assert motion(pipeline, replace(KEPT, seed=5)) != without and calls == [2, 2]  # another seed, the same exemplars


def test_exact_never_lends_across_batches_and_shared_does(pipeline: Pipeline, calls: list[int]) -> None:
    alone = motion(pipeline, replace(KEPT, cache="off"), LESS)
    calls.clear()
    motion(pipeline, KEPT)
    assert motion(pipeline, KEPT, LESS) == alone and calls == [2, 1]
    shared = replace(KEPT, cache="shared")
    calls.clear()
    motion(pipeline, shared, LESS)
    both = np.frombuffer(motion(pipeline, shared), np.uint8)
    assert calls == [1, 1] and both.size
    again = pipeline.generate(toy_speech(9.0), shared, retriever=ASKING, schedule=Rates(1.0)).motion
    plain = pipeline.generate(toy_speech(9.0), replace(KEPT, cache="off"), retriever=ASKING, schedule=Rates(1.0)).motion
    assert np.allclose(again.rotations, plain.rotations, atol=1e-4)


@pytest.mark.parametrize("change", [{"steps": 5}, {"sampler": "ddim"}, {"sampler": "ddim", "guided_loop": "released"}, {"chunks": 3}], ids=str)
def test_another_way_is_another_file(pipeline: Pipeline, change: dict[str, object]) -> None:
    assert pipeline.index is not None
    motion(pipeline, KEPT)
    before = len(files(pipeline.index.path / INVERSIONS))
    other = replace(KEPT, **change)  # type: ignore[arg-type]
    assert motion(pipeline, other) == motion(pipeline, replace(other, cache="off")) == motion(pipeline, other)
    assert len(files(pipeline.index.path / INVERSIONS)) == 2 * before


def test_a_sample_of_the_posterior_and_an_unknown_model_are_not_kept(pipeline: Pipeline) -> None:
    assert pipeline.index is not None
    motion(pipeline, replace(KEPT, posterior="sample"))
    motion(pipeline, replace(KEPT, inject="inpaint"))
    pipeline.identities = (Identity("tiny"), Identity("toy", "of the index"))
    motion(pipeline, KEPT)
    assert not (pipeline.index.path / INVERSIONS).exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff" * 400, None], ids=["empty", "json", "noise", "half"])
def test_a_damaged_file_is_as_none_and_is_written_again(pipeline: Pipeline, calls: list[int], damage: bytes | None) -> None:
    assert pipeline.index is not None
    first = motion(pipeline, KEPT)
    path = files(pipeline.index.path / INVERSIONS)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert motion(pipeline, KEPT) == first and calls == [2, 2] and path.read_bytes() == whole


def test_what_is_not_as_expected_is_not_taken(tmp_path: Path) -> None:
    cache = InversionCache(tmp_path, 10**6)
    assert cache.get("a", SHAPE) is None
    cache.put("a", levels())
    assert torch.equal(cache.get("a", SHAPE), levels())  # type: ignore[arg-type]
    assert cache.get("a", (3, 4, 3)) is None
    cache.put("a", levels() * float("nan"))
    assert cache.get("a", SHAPE) is None
    cache.put("a", levels(1))
    assert torch.equal(cache.get("a", SHAPE), levels(1))  # type: ignore[arg-type]


def test_those_used_longest_ago_go_first(tmp_path: Path) -> None:
    cache = InversionCache(tmp_path, 10**6)
    cache.put("a", levels())
    size = files(tmp_path)[0].stat().st_size
    cache = InversionCache(tmp_path, 3 * size)
    for age, name in enumerate("abc"):
        cache.put(name, levels())
        os.utime(tmp_path / f"{name}.safetensors", (1000 + age, 1000 + age))
    assert cache.get("a", SHAPE) is not None  # used now
    cache.put("d", levels())
    assert [path.stem for path in files(tmp_path)] == ["a", "c", "d"]


def test_a_folder_that_takes_nothing_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = InversionCache(tmp_path / "file" / "inversions", 10**6)
    out = inverted(cache, [ONE], 2, torch.device("cpu"), lambda rows: torch.ones(3, len(rows), 43, 2), shared=False)
    assert set(out[:, 0].amax(dim=(0, 2)).nonzero().flatten().tolist()) == set(ONE.tokens()) == {2, 3, 13, 14}


def test_every_field_is_part_of_the_name() -> None:
    other = {"steps": 4, "source_frame": 8, "chunks": (3, 5), "place": (0, 1)}
    names = {ONE.digest()} | {replace(ONE, **{name: other.get(name, "other")}).digest() for name in Inverted.__dataclass_fields__}
    assert len(names) == 1 + len(Inverted.__dataclass_fields__)


def test_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "mine"))
    assert folder_for(tmp_path) == tmp_path / INVERSIONS
    assert folder_for(packaged_dir("starter", "index")) == folder_for(tmp_path / "gone") == tmp_path / "mine" / INVERSIONS
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert folder_for(tmp_path) == tmp_path / "mine" / INVERSIONS
    monkeypatch.delenv("RAGGESTURE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert folder_for(tmp_path) == tmp_path / "xdg" / "raggesture" / INVERSIONS


def test_an_index_that_changes_forgets_them_and_can_be_built_again(tmp_path: Path) -> None:
    index = toy_index(tmp_path / "toy")
    InversionCache(folder_for(index.path), 10**6).put("a", levels())
    check_target(index.path, force=True)
    swap_manifest(index.path, read_manifest(index.path))
    assert not (index.path / INVERSIONS).exists()
    shutil.rmtree(index.path)


def test_settings_that_cannot_be(pipeline: Pipeline) -> None:
    for wrong in ({"cache": "some"}, {"cache_mb": 0}):
        with pytest.raises(ConfigError, match="cache"):
            motion(pipeline, replace(KEPT, **wrong))  # type: ignore[arg-type]
    assert tiny_model().manifest
