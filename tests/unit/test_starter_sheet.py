"""The sheet of gestures: stills to look at, and which gestures are taken for which."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from raggesture.corpus.starter.lexicon import Lexicon
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.sheet import confusions, draw_sheet, main
from raggesture.export.film.stage import NoStageError


def test_every_form_has_a_row_of_stills(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    gesture = next(gesture for gesture in load_lexicon().gestures if len(gesture.forms) == 2)
    try:
        draw_sheet([gesture], out)
    except NoStageError as fault:
        pytest.skip(str(fault))
    picture = np.asarray(Image.open(out))
    assert picture.shape == (2 * 276, 5 * 210, 3)
    first, second = picture[16:276], picture[276 + 16 :]
    assert np.abs(first.astype(int) - second).max() > 60, "the forms look different"
    stills = [first[:, k * 210 : (k + 1) * 210].astype(int) for k in range(5)]
    assert all(np.abs(a - b).max() > 60 for a, b in pairwise(stills))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_confusions_are_named() -> None:
    """Two gestures of one form cannot be told; two that differ are."""
    lexicon = load_lexicon()
    big, tall = lexicon["big"].only(0), lexicon["tall"].only(0)
    right, wrong = confusions(Lexicon((big, tall)), known=3, asked=2)
    assert right == 1 and not wrong

    right, wrong = confusions(Lexicon((big, replace(big, name="huge"))), known=3, asked=3)
    assert right < 1 and set(wrong) <= {("big", "huge"), ("huge", "big")}


def test_an_unknown_gesture_or_a_bad_file_is_an_error_of_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bigg", "--out", str(tmp_path / "sheet.png")]) == 4
    assert "did you mean 'big'" in capsys.readouterr().err
    (tmp_path / "bad.toml").write_text("[family]\n")
    assert main(["--lexicon", str(tmp_path / "bad.toml"), "--confusions"]) == 4
    assert "family.name" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]
