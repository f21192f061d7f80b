"""Look at gestures: ``python -m raggesture.corpus.starter.sheet NAME ... --out sheet.png``, and which are taken for each other (``--confusions``).

One row a form: its first key, half-way to the stroke, the stroke, its last key from the front, and the stroke from the side.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from raggesture.corpus.starter.events import GestureEvent
from raggesture.corpus.starter.lexicon import Form, Gesture, Lexicon
from raggesture.corpus.starter.lexicon_file import load_lexicon, read_lexicon
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.style import STYLES
from raggesture.errors import RaggestureError
from raggesture.metrics.gesture_made import GestureClassifier, Window, hand_paths, window_at
from raggesture.motion import Motion

_STROKE_S, _LENGTH_S, _PX = 2.0, 4.5, (210, 260)
Picture = NDArray[np.uint8]


def _alone(gesture: Gesture, form: int, seed: int) -> Motion:
    """The gesture made once, its stroke at two seconds."""
    only = Lexicon((gesture.only(form),))
    event = GestureEvent(gesture.name, "w", _STROKE_S - 0.1, _STROKE_S + 0.2, _STROKE_S, "right", hold_s=0.5, variant=seed)
    return perform([event], STYLES[0], _LENGTH_S, seed, lexicon=only).motion


def _instants(form: Form) -> tuple[float, ...]:
    first, last = form.keys[0].t, form.keys[-1].t
    return (_STROKE_S + first, _STROKE_S + first / 2, _STROKE_S, _STROKE_S + max(last, 0.25))


def _row(gesture: Gesture, form: int, seed: int) -> list[Picture]:
    from raggesture.export.film.camera import Camera, pixel_m
    from raggesture.export.film.poses import Poses
    from raggesture.export.film.shape import wooden
    from raggesture.export.film.skins import BonesSkin
    from raggesture.export.film.stage import Stage

    poses = Poses(_alone(gesture, form, seed), 30)
    stage = Stage(_PX, 4)
    try:
        pictures = []
        skin = BonesSkin(stage.context, wooden(pixel_m("upper", _PX)))
        shown = [(t, "upper") for t in _instants(gesture.forms[form])] + [(_STROKE_S, "side")]
        for t, view in shown:
            picture = round(t * 30)
            pose = poses.pose(picture)
            camera = Camera.of(view, _PX, poses.floor_m, pose.centre)  # type: ignore[arg-type]  # both are views
            pictures.append(np.array(stage.draw(skin, pose, picture, camera, poses.floor_m)[..., :3]))
        return pictures
    finally:
        stage.close()


def draw_sheet(gestures: Sequence[Gesture], out: Path, seed: int = 1) -> None:
    """Draw every form of the gestures.

    Raises: NoStageError: there is no OpenGL without a window. OSError: the picture cannot be written.
    """
    from PIL import Image, ImageDraw

    rows = [(gesture, form) for gesture in gestures for form in range(len(gesture.forms))]
    sheet = Image.new("RGB", (5 * _PX[0], len(rows) * (_PX[1] + 16)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (gesture, form) in enumerate(rows):
        top = k * (_PX[1] + 16)
        pen.text((4, top + 2), f"{gesture.name} / {gesture.forms[form].hands} ({gesture.family}, {gesture.kind}): {gesture.about}", fill="black")
        for column, picture in enumerate(_row(gesture, form, seed)):
            sheet.paste(Image.fromarray(picture), (column * _PX[0], top + 16))
    work = out.with_name(f".{out.name}.tmp.png")
    sheet.save(work)
    work.replace(out)


def renditions(lexicon: Lexicon, seed: int, style: int) -> list[tuple[str, Window]]:
    """Every gesture that words trigger made once, in every form, one after the other in random order; features around each stroke."""
    rng = np.random.default_rng(seed)
    forms = [(gesture, form) for gesture in lexicon.gestures if not gesture.additive for form in range(len(gesture.forms))]
    single = Lexicon(tuple(_named(gesture, form) for gesture, form in forms))
    events, t = [], 1.2
    for k in rng.permutation(len(forms)):
        hand = ("right", "left", "both")[int(rng.integers(3))]
        size, tempo, hold = (float(rng.uniform(*span)) for span in ((0.8, 1.2), (0.9, 1.12), (0.1, 0.6)))
        events.append(GestureEvent(single.gestures[k].name, "w", t - 0.1, t + 0.2, t, hand, size, tempo, hold, variant=int(rng.integers(5))))  # type: ignore[arg-type]
        t += float(rng.uniform(1.3, 2.6))
    performance = perform(events, STYLES[style], t + 1, seed, lexicon=single)
    paths = hand_paths(performance.motion)
    return [(label.gesture.partition("/")[0], window_at(paths, label.stroke)) for label in performance.labels if label.stroke is not None]


def _named(gesture: Gesture, form: int) -> Gesture:
    return replace(gesture.only(form), name=f"{gesture.name}/{form}")


def confusions(lexicon: Lexicon, known: int = 5, asked: int = 3) -> tuple[float, Counter[tuple[str, str]]]:
    """Share of renditions whose nearest neighbour among other renditions has their name, and (made, taken for) of the rest."""
    classifier = GestureClassifier.of([pair for seed in range(known) for pair in renditions(lexicon, seed, seed % len(STYLES))])
    pairs = [pair for seed in range(asked) for pair in renditions(lexicon, 100 + seed, (seed + 5) % len(STYLES))]
    taken = [(name, classifier.name_of(window)) for name, window in pairs]
    wrong = Counter(pair for pair in taken if pair[0] != pair[1])
    return 1 - sum(wrong.values()) / len(taken), wrong


def main(arguments: list[str] | None = None) -> int:
    """Draw or compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.corpus.starter.sheet", description="Look at the gestures of a lexicon.")
    parser.add_argument("names", nargs="*", help="gestures to draw (default: all of the family, or of the lexicon)")
    parser.add_argument("--family", help="only this family")
    parser.add_argument("--lexicon", type=Path, nargs="*", help="lexicon files (default: those that come with the program)")
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--confusions", action="store_true", help="print which gestures are taken for which")
    given, console = parser.parse_args(arguments), Console(soft_wrap=True)
    try:
        lexicon = read_lexicon(given.lexicon) if given.lexicon else load_lexicon()
        if given.out is not None:
            chosen = [lexicon[name] for name in given.names] or [g for g in lexicon.gestures if given.family in (None, g.family)]
            draw_sheet(chosen, given.out)
        if given.confusions:
            right, wrong = confusions(lexicon)
            console.print(f"{100 * right:.1f} % named right", markup=False)
            for (made, taken), count in wrong.most_common():
                console.print(f"{count}  {made} taken for {taken}", markup=False)
    except RaggestureError as fault:
        Console(stderr=True).print(f"error: {fault}", style="red", markup=False, soft_wrap=True)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
