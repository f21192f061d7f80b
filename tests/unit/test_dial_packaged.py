"""A weight is a dial, on the packaged model: monotone, roughly even, and nobody else's."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER
from raggesture.diffusion.samplers import sampler_named
from raggesture.models.checkpoint import load_model
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.retrieval.index import Index
from raggesture.synthesis import Inject
from raggesture.training.dial import Turned, plot, turned, write_csv
from raggesture.training.edges import edge_figures
from raggesture.training.figures import choose_events
from raggesture.training.published_placement import published_event
from raggesture.training.ways import WAYS, Row, markdown

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def dial() -> Turned:
    """Twelve gestures asked for where the word suggests another, by the default sampler; windows of the packaged index itself."""
    index = Index.open(packaged_dir(PACK_NAME, "index"))
    model = load_model(packaged_dir(PACK_NAME, "model"))
    return turned(model, index, index, name="forced", events=choose_events(index, 14, 5, forced=True), sampler=sampler_named(DEFAULT_SAMPLER), weights=WEIGHTS)


def test_the_distance_falls_evenly_with_the_weight(dial: Turned) -> None:
    assert list(dial.distance_m) == sorted(dial.distance_m, reverse=True)
    assert dial.distance_m[-1] < 0.08 < 0.15 < dial.distance_m[0]
    assert sum(dial.steps) == pytest.approx(1.0)
    assert all(0.04 < step < 0.5 for step in dial.steps), "a quarter of the weight is a twenty-fifth to a half of the way"


def test_one_weight_leaves_the_neighbour_alone(dial: Turned) -> None:
    way = dial.distance_m[0] - dial.distance_m[-1]
    assert np.ptp(dial.neighbour_m) < 0.1 * way and max(dial.neighbour_m) < 0.08


def test_the_table_and_the_picture(dial: Turned, tmp_path: Path) -> None:
    write_csv([dial], tmp_path / "dial.csv")
    rows = list(csv.DictReader((tmp_path / "dial.csv").open()))
    assert [float(row["weight"]) for row in rows] == list(WEIGHTS)
    assert [float(row["forced_cm"]) for row in rows] == pytest.approx([100 * d for d in dial.distance_m], abs=0.01)
    assert sum(float(row["forced_step_percent"]) for row in rows[1:]) == pytest.approx(100, abs=0.3)
    plot([dial], tmp_path / "dial.png")
    assert (tmp_path / "dial.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_of_ways_has_a_line_for_each() -> None:
    plain = Row("a way", False, 8, 8, 0.5, 1.0, 0.023, 0.125, 1.0, 0.9, float("nan"), 3.0)
    lines = markdown([plain, replace(plain, forced=True, asked_is_made=0.5), replace(plain, way="none", edge_jerk_over_elsewhere=float("nan")),
                      replace(plain, way="none", forced=True, edge_jerk_over_elsewhere=float("nan"))]).splitlines()  # fmt: skip
    assert len(lines) == 4 and {line.count("|") for line in lines} == {10}
    assert lines[2] == "| a way | 100 / 50 % | 2.3 / 2.3 | 0.12 / 0.12 | 100 / 100 % | 0.90 / 0.90 | - | 3.00 / 3.00 | 0.50 |"
    assert lines[3].split("|")[6].strip() == "-"


def test_every_way_of_the_command_line_has_a_row() -> None:
    assert set(get_args(Inject)) == {way.how for way in WAYS}
    assert any(way.released_loop for way in WAYS) and any(way.released_placement for way in WAYS)


def test_the_published_grid_places_by_whole_seconds() -> None:
    index = Index.open(packaged_dir(PACK_NAME, "index"))
    placements = [p for event in choose_events(index, 20, 1, forced=True) if (p := published_event(event, index)) is not None]
    assert len(placements) > 10 and all(p.source_frame % 75 == 0 for p in placements)
    assert np.mean([abs(p.shift_frames) for p in placements]) > 3, "a stroke falls where it may"


def test_edges_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    even = np.cumsum(rng.standard_normal((150, 2, 3)), axis=0).astype(np.float32)
    jumpy = even.copy()
    jumpy[60:] += 30.0  # into frame 60
    smooth = edge_figures([even], [[60, 90]])
    found = edge_figures([jumpy], [[60, 90]])
    assert 0.5 < smooth.jerk < 2 and found.jerk > 3 * smooth.jerk and found.step > 5 * smooth.step
    elsewhere = edge_figures([jumpy], [[30]])
    assert elsewhere.jerk < 1 and elsewhere.step < 1, "a jump that is at no edge counts as elsewhere"
    assert np.isnan(edge_figures([even], [[]]).jerk) and np.isnan(edge_figures([even], [[0, 150]]).step)
