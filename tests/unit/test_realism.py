"""FGD beside its floor: the same motion, other motion, malformed."""

from __future__ import annotations

import numpy as np
import pytest

from raggesture.errors import InputError
from raggesture.training.realism import realism


def windows(count: int, seed: int, offset: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(6, 4)) + offset for _ in range(count)]


CLIPS = [f"clip{k % 8}" for k in range(40)]


def test_real_motion_is_at_the_floor() -> None:
    real = windows(40, 0)
    same = realism(real, real, CLIPS)
    assert same.fgd == pytest.approx(same.floor) and same.floor > 0
    like = realism(windows(40, 1), real, CLIPS)
    assert 0.5 < like.fgd / like.floor < 2


def test_other_motion_is_above_it() -> None:
    other = realism(windows(40, 1, offset=1.0), windows(40, 0), CLIPS)
    assert other.fgd == pytest.approx(4 + other.floor, rel=0.25)  # four dimensions, each a whole unit away


def test_it_needs_two_clips_and_as_many_of_both() -> None:
    with pytest.raises(InputError, match="expected as many of both"):
        realism(windows(3, 0), windows(4, 0), CLIPS[:4])
    with pytest.raises(InputError, match="of two clips or more"):
        realism(windows(4, 0), windows(4, 0), ["one"] * 4)
