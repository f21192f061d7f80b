"""Scenes to look at: a made-up motion with a made-up voice, and the real take where it is there. Used by the tests and by eyes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.motion import Motion, read_npz
from raggesture.plugins.hookspecs import Ghost, Second
from raggesture.trace import Identity, Inserted, Setting, Trace
from raggesture.types import Cues, Drop, Exemplar, Hit, Placement, Query, Speech, Transcript, Word

HOSTILE = "</script><img src=x onerror=document.title='owned'>"
HARD_WORDS = (
    'say "no"',
    "back\\slash",
    "tab\tline\nfeed\r\n",
    "\x00\x07\x1b\x7f\x85",
    "quotes\"\"\" and '''",
    "\ufeff\u2028\u2029",
    "\U0001f44b\u0301 zwölf",
    "= [x] # no comment",
)
"""Words that a file of a plan must carry unchanged."""
KINDS = ("iconic", "deictic", "metaphoric", "beat", "Contingency.Cause")


@dataclass(frozen=True)
class ShownScene:
    name: str
    motion: Motion
    speech: Speech | None = None
    trace: Any = None
    ghosts: tuple[Ghost, ...] = ()
    second: Second | None = None


def waving_motion(seconds: float = 8.0, fps: float = 30.0) -> Motion:
    """Both arms hang, the right one waves, the body turns and walks a little; root half a turn away at times."""
    frames = round(seconds * fps)
    t = np.arange(frames) / fps
    rotations = np.zeros((frames, 55, 3), np.float32)
    rotations[:, 16, 2], rotations[:, 17, 2] = -1.1, 1.1
    rotations[:, 17, 2] -= 1.2 * np.clip(np.sin(0.9 * t), 0, 1)
    rotations[:, 19, 1] = 1.0 + 0.5 * np.sin(5 * t)
    rotations[:, 0, 1] = 0.4 * np.sin(0.7 * t)
    rotations[:, 15, 1] = 0.3 * np.sin(1.3 * t)
    rotations[:, 22, 0] = 0.1 + 0.1 * np.sin(9 * t)
    translation = np.stack([0.2 * np.sin(t), np.full(frames, 1.3), 0.1 * np.cos(t)], axis=1).astype(np.float32)
    return Motion(rotations, translation, np.zeros((frames, 100), np.float32), fps)


def humming(seconds: float) -> NDArray[np.float32]:
    t = np.arange(round(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * 150 * t) * np.sin(2 * np.pi * 0.8 * t) ** 2).astype(np.float32)


def made_up_trace(speech: Speech, every_s: float = 4.0, file: Path | None = None) -> Trace:
    """A trace with a gesture every few seconds, one drop and all fields filled."""
    words = [w for w in speech.transcript.words if w.text.strip()]
    queries, hits, done = [], [], []
    others: dict[Query, list[Hit]] = {}
    last = -every_s
    for word in words:
        if word.start < last + every_s or word.start > speech.duration_s - 2.5 or len(word.text) < 4:
            continue
        last = word.start
        kind = KINDS[len(queries) % len(KINDS)]
        query = Query(word.text, kind, word.start, word.end, weight=0.9, gesture="iconic_big" if kind == "iconic" else "", prominence=1.2)
        terms = {"type": 1.0, "word": 0.43, "prominence": -0.21, "speaker": 0.1}
        exemplar = Exemplar("12_ada_0_3_3", "ada", "huge", kind, 4.2, 4.6, 4.4, gesture="big", prominence=1.1, row=7)
        hit = Hit(query, exemplar, sum(terms.values()), terms)
        chunk = int(word.start)
        place = Placement(hit, chunk // 9, slice(chunk % 9, chunk % 9 + 2), slice(chunk % 9, chunk % 9 + 2), 15)
        for k in range(len(queries) % 4):
            other = Exemplar(
                f"{k}_bob_0_{k}_{k}", "bob", f"large {word.text}", kind, 1.25 * k, 1.25 * k + 0.4, 1.25 * k + 0.2, gesture="", prominence=None, row=k
            )
            others.setdefault(query, []).append(Hit(query, other, 1.0 - 0.125 * k, {"type": 1.0, "word": -0.125 * k}))
        queries.append(query)
        hits.append(hit)
        done.append(Inserted(place, 9.0 * (chunk // 9), strength=0.25 + 0.6 * (len(queries) % 3) / 2))
    drop = Drop(Query(words[-1].text, "iconic", words[-1].start, words[-1].end), f"no slot left {HOSTILE}") if words else None
    return Trace.of(
        speech=speech,
        file=file,
        cues=Cues(prominence=tuple(0.3 + 1.3 * ((7 * k) % 10) / 10 for k in range(len(speech.transcript.words)))),
        queries=queries,
        hits=hits,
        runners_up=others,
        placements=done,
        drops=[drop] if drop else [],
        settings={"generate.steps": Setting(50), "generate.guidance": Setting("hold", "command line")},
        seed=3,
        model=Identity("starter", "0" * 64),
        index=Identity("starter", "1" * 64),
        timings_s={"listen": 0.41, "sample": 1.9},
    )


def small_scene(seconds: float = 8.0, name: str = "small") -> ShownScene:
    texts = ("hello", "this", "enormous", "idea", HOSTILE, "over there", "l\u2028ne", "zwölf", "everything", "between", "climbing", "finish")
    step = seconds / len(texts)
    words = tuple(Word(text, k * step + 0.05, (k + 1) * step - 0.1) for k, text in enumerate(texts))
    speech = Speech(name, humming(seconds), Transcript(words), "ada")
    return ShownScene(name, waving_motion(seconds), speech, made_up_trace(speech, 2.0).to_json())


def shouting_motion(seconds: float, fps: float, turn: float) -> Motion:
    """Both arms up, then down, by a body that faces elsewhere and stands elsewhere."""
    frames = round(seconds * fps)
    t = np.arange(frames) / fps
    rotations = np.zeros((frames, 55, 3), np.float32)
    rotations[:, 0, 1] = turn
    rotations[:, 16, 2], rotations[:, 17, 2] = 0.5 * np.sin(2 * t), -0.5 * np.sin(2 * t)
    translation = np.stack([np.full(frames, 3.0), np.full(frames, 0.2), -2 + 0.1 * t], axis=1).astype(np.float32)
    return Motion(rotations, translation, np.zeros((frames, 100), np.float32), fps)


def haunted_scene(seconds: float = 8.0) -> ShownScene:
    """The small scene with an exemplar for each gesture but the first, some at 15 fps and some at 30."""
    small = small_scene(seconds, "haunted")
    ghosts = []
    for k, place in enumerate(small.trace["placements"][1:], start=1):
        ghosts.append(Ghost(k, shouting_motion(place["end_s"] - place["start_s"], 30.0 if k % 2 else 15.0, 0.5 * k)))
    return replace(small, ghosts=tuple(ghosts))


def pair_scene(seconds: float = 6.0) -> ShownScene:
    """Two results: the second is shorter, faces elsewhere and wanders off."""
    small = small_scene(seconds, "pair")
    return replace(small, second=Second(shouting_motion(seconds - 2.0, 30.0, 0.3), ("with retrieval", "<b>without</b>")))


def hour_scene(motion: Motion | None = None, wave: NDArray[np.float32] | None = None) -> ShownScene:
    """An hour of 9,000 words, with 800 gestures and 400 drops; unless they are given, with few frames and no voice."""
    words = tuple(Word(f"word{k}", 0.4 * k, 0.4 * k + 0.35) for k in range(9000))
    speech = Speech("hour", np.zeros(0, np.float32) if wave is None else wave, Transcript(words), "ada")
    exemplar = Exemplar("12_ada_0_3_3", "ada", "huge", "iconic", 4.2, 4.6, 4.4, gesture="big", row=7)
    hits, done, drops = [], [], []
    for k in range(800):
        word = words[11 * k + 5]
        query = Query(word.text, KINDS[k % len(KINDS)], word.start, word.end, stroke=word.start + 0.1)
        hits.append(Hit(query, exemplar, 1.0, {"type": 1.0}))
        chunk = int(word.start)
        done.append(Inserted(Placement(hits[-1], chunk // 9, slice(chunk % 9, chunk % 9 + 2), slice(0, 2), 15), 9.0 * (chunk // 9), 0.8))
        if k % 2:
            late = words[11 * k + 7]
            drops.append(Drop(Query(late.text, "beat", late.start, late.end), f"no second left for {late.text}"))
    cues = Cues(prominence=tuple(0.3 + 0.2 * (k % 9) for k in range(len(words))))
    trace = Trace.of(speech=speech, cues=cues, hits=hits, placements=done, drops=drops)
    return ShownScene("hour", waving_motion(3600.0, 1.0) if motion is None else motion, speech, trace.to_json())


def plan_scene() -> ShownScene:
    """Gestures on words that are hard to write down, with nought to three runners-up, parts, a word said twice and one drop."""
    texts = ("hello", *HARD_WORDS, "twice", "twice", "between", "climbing", "finish")
    words = tuple(Word(text, 1.5 * k + 0.25, 1.5 * k + 1.125) for k, text in enumerate(texts))
    speech = Speech("plan", humming(1.5 * len(texts)), Transcript(words), "ada")
    trace = made_up_trace(speech, 3.0, Path("it's a speech.wav")).to_json()
    trace["queries"][1]["parts"] = ["upper", "head"]
    trace["queries"][0]["parts"] = []
    trace["queries"][2]["stroke"] = trace["queries"][2]["start"] + 0.3
    return ShownScene("plan", waving_motion(speech.duration_s), speech, trace)


def real_scene(root: Path) -> ShownScene:
    """The real take of BEAT2 with a made-up trace."""
    import soundfile
    from praatio import textgrid

    stem = "2_scott_0_1_1"
    motion = read_npz(root / "smplxflame_30" / f"{stem}.npz")
    wave, rate = soundfile.read(root / "wave16k" / f"{stem}.wav", dtype="float32")
    if rate != 16_000:
        raise ValueError(f"{rate} Hz; expected 16000")
    grid = textgrid.openTextgrid(str(root / "textgrid" / f"{stem}.TextGrid"), includeEmptyIntervals=False)
    entries = grid.getTier(grid.tierNames[0]).entries
    words = tuple(Word(e.label, e.start, e.end) for e in entries if e.end <= motion.duration_s)
    speech = Speech(stem, wave[: round(motion.duration_s * 16_000)].copy(), Transcript(words, source="given"), "scott")
    return ShownScene(stem, motion, speech, made_up_trace(speech, 5.0, root / "wave16k" / f"{stem}.wav").to_json())
