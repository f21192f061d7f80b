"""A plan of chances becomes a plan of gestures: as many as expected, the likeliest, each whole and in its place."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from raggesture.errors import ModelError
from raggesture.models.deciding import QUIET_FRAMES, decided

F, G = 60, 5


def _plan(*chances: tuple[int, int, float]) -> torch.Tensor:
    plan = torch.zeros(1, F, G)
    for frame, gesture, chance in chances:
        plan[0, frame, gesture] += chance
    return plan


def test_a_sure_gesture_stays_as_it_is() -> None:
    plan = _plan((20, 3, 0.25), (21, 3, 0.75))
    torch.testing.assert_close(decided(plan), plan)


def test_what_is_spread_is_gathered_at_its_middle() -> None:
    made = decided(_plan((30, 2, 0.2), (31, 2, 0.5), (32, 2, 0.2), (31, 4, 0.1)))
    torch.testing.assert_close(made, _plan((31, 2, 1.0)))


def test_as_many_as_expected_the_likeliest_first() -> None:
    chances = [0.6, 0.3, 0.55, 0.25, 0.3]  # two in all
    made = decided(_plan(*((5 + 12 * k, k, chance) for k, chance in enumerate(chances))))
    torch.testing.assert_close(made, _plan((5, 0, 1.0), (29, 2, 1.0)))


def test_what_is_unlikely_is_not_made_and_nothing_is_made_of_nothing() -> None:
    assert not decided(torch.full((1, F, G), 0.003)).any()
    assert not decided(torch.zeros(2, F, G)).any()


def test_strokes_keep_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    made = decided(torch.rand(4, 150, 30, generator=generator) * 0.05)
    for row in made:
        frames = row.sum(-1).nonzero()[:, 0]
        starts = [int(f) for f in frames if int(f) - 1 not in frames.tolist()]
        assert starts and all(b - a >= QUIET_FRAMES - 1 for a, b in pairwise(starts))
        assert bool((row.sum(-1) <= 1 + 1e-6).all())


@pytest.mark.parametrize("frame", [0, 1, F - 2, F - 1])
def test_a_stroke_at_the_edge(frame: int) -> None:
    torch.testing.assert_close(decided(_plan((frame, 1, 0.8))), _plan((frame, 1, 1.0)))


def test_rows_do_not_touch_each_other_and_the_type_stays() -> None:
    plan = torch.cat([_plan((9, 1, 0.9)), _plan((40, 2, 0.7))]).to(torch.bfloat16)
    made = decided(plan)
    assert made.dtype == torch.bfloat16 and made.shape == plan.shape
    torch.testing.assert_close(made[0], decided(plan[:1])[0])
    torch.testing.assert_close(made[1], decided(plan[1:])[0])


def test_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="expected \\(B, F, gestures\\)"):
        decided(torch.zeros(F, G))
