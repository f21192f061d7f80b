"""Reading BVH: the hierarchy and the numbers of every frame, strictly; every fault is named with its line.

Channels in any order and number (also positions on joints that are not the root), any frame time. Nothing is guessed: a file that is cut off, has
another number of frames or channels than it says, or holds something that is no finite number, is refused.

Own code, because pybvh refuses positions on joints (Blender, Rokoko and MotionBuilder write them) and bvhio reads a frame a joint at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError

Floats = NDArray[np.float64]
MAX_JOINTS, MAX_DEPTH = 2000, 200
MAX_LINE = 1_000_000
"""Letters of a line: a frame of two thousand joints has a fifth of them."""
MAX_NUMBERS = 200_000_000
"""1.6 GB: three hours of sixty joints at 120 frames a second."""
_SHORTEST_S, _LONGEST_S = 1e-4, 10.0
"""Of a frame."""
_BLOCK_LINES = 2048
_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_FRAMES = re.compile(r"frames\s*:?\s*(\S+)", re.IGNORECASE)
_FRAME_TIME = re.compile(r"frame\s*time\s*:?\s*(\S+)", re.IGNORECASE)
_AGAIN = "export it again"
_USUAL_FPS = (30, 60, 120, 240, 90, 24, 25, 50, 48, 100, 15)
"""Rates that a rounded frame time stands for, the first that fits."""


@dataclass(frozen=True, slots=True)
class BvhJoint:
    """A joint: ``parent`` its place in the file (-1: the root), ``offset`` from it, ``channels`` such as ``Zrotation`` in the order of the file.

    ``column``: of its first channel in a frame. ``end``: offset of its End Site, None where it has none.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]
    column: int
    end: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BvhFile:
    """A file as it was read: every joint after its parent; ``values`` (F, C), degrees and the file's own unit; ``fps`` frames a second."""

    path: Path
    joints: tuple[BvhJoint, ...]
    values: Floats
    fps: float

    @property
    def frames(self) -> int:
        """F."""
        return len(self.values)


@dataclass(slots=True)
class _Lines:
    """The lines of a file that are not empty, counted."""

    path: Path
    stream: TextIO
    number: int = 0

    def next(self) -> str | None:
        """The next line that is not empty, without blanks at its ends; None at the end of the file."""
        while line := self.stream.readline(MAX_LINE + 1):
            self.number += 1
            if len(line) > MAX_LINE:
                self.fail(f"more than {MAX_LINE} letters in a line", "expected BVH text")
            if stripped := line.strip():
                return stripped
        return None

    def fail(self, found: str, expected: str, do: str = _AGAIN) -> NoReturn:
        """Refuse the file at the present line."""
        raise InputError(f"{self.path}: line {self.number}: {found}; {expected} - {do}")


@dataclass(slots=True)
class _Tree:
    """The joints so far, and the blocks that are open: numbers of joints, None for an End Site."""

    joints: list[BvhJoint] = field(default_factory=list)
    offset: list[bool] = field(default_factory=list)
    channels: list[bool] = field(default_factory=list)
    open: list[int | None] = field(default_factory=list)
    columns: int = 0

    def add(self, name: str, parent: int) -> None:
        """A joint, whose block is to be opened."""
        self.joints.append(BvhJoint(name, parent, (0.0, 0.0, 0.0), (), self.columns))
        self.offset.append(False)
        self.channels.append(False)


def read_bvh(path: Path) -> BvhFile:
    """Read a file.

    Raises:
        InputError: it cannot be read, or is not BVH as it should be; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            lines = _Lines(path, stream)
            tree = _read_hierarchy(lines)
            frames, fps = _read_head_of_motion(lines)
            values = _read_values(lines, frames, tree.columns)
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror or fault}); expected a BVH file - check the path") from fault
    return BvhFile(path, tuple(tree.joints), values, fps)


def _read_hierarchy(lines: _Lines) -> _Tree:
    """Everything up to and with the line MOTION."""
    first = lines.next()
    if first is None or first.upper() != "HIERARCHY":
        found = "no line at all" if first is None else f"{first[:40]!r}"
        lines.fail(f"{found} where the file begins", "expected HIERARCHY, as in every BVH file", "give a BVH file")
    tree = _Tree()
    waiting = ""  # the name of what has to be opened by a brace
    while True:
        line = lines.next()
        if line is None:
            lines.fail("the file ends inside the hierarchy", "expected closing braces, then MOTION")
        if line.upper() == "MOTION":
            break
        brace = line != "{" and line.endswith("{") and not waiting
        waiting = _hierarchy_line(lines, tree, line[:-1].strip() if brace else line, waiting)
        if brace:
            waiting = _hierarchy_line(lines, tree, "{", waiting)
    if tree.open or waiting:
        lines.fail(f"MOTION while {len(tree.open) + bool(waiting)} blocks are open", "expected a '}' for every '{'")
    if not tree.joints:
        lines.fail("MOTION without any joint before it", "expected ROOT and its joints")
    if not tree.columns:
        lines.fail("no joint has channels", "expected CHANNELS with rotations")
    return tree


def _hierarchy_line(lines: _Lines, tree: _Tree, line: str, waiting: str) -> str:
    """Take one line; returns what has to be opened next, or ""."""
    word, rest = (*line.split(None, 1), "")[:2]
    word = word.upper()
    if waiting:
        if line != "{":
            lines.fail(f"{line[:40]!r} after {waiting}", "expected '{'")
        return ""
    at = tree.open[-1] if tree.open else -1
    if word == "ROOT" and not tree.joints:
        return _open(lines, tree, rest, -1)
    if word == "ROOT":
        lines.fail(f"a second ROOT, {rest[:40]!r}", "expected one skeleton", "export one character alone")
    if at == -1:
        lines.fail(f"{line[:40]!r} outside of ROOT", "expected ROOT, its block, then MOTION")
    if line == "}":
        _close(lines, tree)
        return ""
    if word == "OFFSET":
        _take_offset(lines, tree, at, _three(lines, rest))
        return ""
    if at is None:
        lines.fail(f"{line[:40]!r} in an End Site", "expected OFFSET and '}'")
    if word == "CHANNELS":
        _take_channels(lines, tree, at, rest.split())
        return ""
    if word == "JOINT":
        return _open(lines, tree, rest, at)
    if word == "END":
        tree.open.append(None)
        return "End Site"
    return lines.fail(f"{line[:40]!r}", "expected OFFSET, CHANNELS, JOINT, End Site or '}'")


def _open(lines: _Lines, tree: _Tree, name: str, parent: int) -> str:
    if not name:
        lines.fail("a joint without a name", "expected JOINT NAME")
    if len(tree.joints) >= MAX_JOINTS or len(tree.open) >= MAX_DEPTH:
        lines.fail(f"{len(tree.joints) + 1} joints, {len(tree.open) + 1} deep", f"expected at most {MAX_JOINTS}, {MAX_DEPTH} deep", "export the body alone")
    tree.add(name, parent)
    tree.open.append(len(tree.joints) - 1)
    return f"joint {name!r}"


def _close(lines: _Lines, tree: _Tree) -> None:
    at = tree.open.pop()
    if at is not None and not tree.offset[at]:
        lines.fail(f"joint {tree.joints[at].name!r} ends without OFFSET", "expected one in every joint")


def _three(lines: _Lines, text: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(each) for each in text.split())
    except ValueError:
        lines.fail(f"OFFSET {text[:60]!r}", "expected three numbers")
    if not all(map(math.isfinite, (x, y, z))):
        lines.fail(f"OFFSET {text[:60]!r}", "expected finite numbers")
    return (x, y, z)


def _take_offset(lines: _Lines, tree: _Tree, at: int | None, offset: tuple[float, float, float]) -> None:
    if at is None:  # of an End Site; the last of several counts
        owner = next(joint for joint in reversed(tree.open) if joint is not None)
        tree.joints[owner] = replace(tree.joints[owner], end=offset)
        return
    if tree.offset[at]:
        lines.fail(f"a second OFFSET of joint {tree.joints[at].name!r}", "expected one")
    tree.joints[at], tree.offset[at] = replace(tree.joints[at], offset=offset), True


def _take_channels(lines: _Lines, tree: _Tree, at: int, said: list[str]) -> None:
    joint = tree.joints[at]
    if tree.channels[at]:
        lines.fail(f"a second CHANNELS of joint {joint.name!r}", "expected one")
    if not said or not said[0].isdecimal() or int(said[0]) != len(said) - 1:
        lines.fail(f"CHANNELS {' '.join(said)[:60]!r}", "expected a number and then so many names")
    names = []
    for name in said[1:]:
        found = _CHANNEL.fullmatch(name)
        if found is None:
            lines.fail(f"channel {name[:40]!r}", "expected Xposition, Yposition, Zposition, Xrotation, Yrotation or Zrotation")
        names.append(f"{found.group(1).upper()}{found.group(2).lower()}")
    if len(set(names)) < len(names):
        lines.fail(f"CHANNELS {' '.join(names)!r}", "expected each channel once")
    tree.joints[at], tree.channels[at] = replace(joint, channels=tuple(names), column=tree.columns), True
    tree.columns += len(names)


def _read_head_of_motion(lines: _Lines) -> tuple[int, float]:
    """Frames, and frames a second."""
    frames = _said(lines, _FRAMES, "Frames: NUMBER")
    if not frames.isdecimal():
        lines.fail(f"Frames: {frames[:40]}", "expected how many frames there are")
    if int(frames) == 0:
        lines.fail("Frames: 0", "expected at least one frame", "export the motion too, not the skeleton alone")
    written = _said(lines, _FRAME_TIME, "Frame Time: SECONDS")
    try:
        seconds = float(written)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and _SHORTEST_S <= seconds <= _LONGEST_S):
        lines.fail(f"Frame Time: {written[:40]}", "expected seconds of one frame, as 0.033333", "correct it")
    return int(frames), _rate(seconds, written)


def _said(lines: _Lines, pattern: re.Pattern[str], form: str) -> str:
    """What the next line says, which has to have a form."""
    line = lines.next()
    found = pattern.fullmatch(line or "")
    if found is None:
        lines.fail("the file ends here" if line is None else f"{line[:40]!r}", f"expected '{form}'")
    return found.group(1)


def _rate(seconds: float, written: str) -> float:
    """Frames a second. A time that is rounded (0.0333) means the usual rate that rounds to it: else a minute would drift by frames."""
    digits = written.lower().partition("e")[0].partition(".")[2]
    half = 0.5000001 * 10.0 ** -len(digits)
    return next((float(fps) for fps in _USUAL_FPS if len(digits) >= 3 and abs(1 / fps - seconds) <= half), 1 / seconds)


def _read_values(lines: _Lines, frames: int, columns: int) -> Floats:
    if frames * columns > MAX_NUMBERS:
        lines.fail(f"{frames} frames of {columns} numbers", f"expected at most {MAX_NUMBERS} numbers", "cut the take")
    blocks: list[Floats] = []
    read = 0
    for first, block in _blocks(lines):
        blocks.append(_numbers(lines, first, block, columns))
        read += len(block)
        if read > frames:
            lines.fail(f"frame {read}", f"expected {frames} frames, as 'Frames:' says", f"correct that number or {_AGAIN}")
    if read != frames:
        lines.fail(f"the file ends after {read} frames", f"expected {frames}, as 'Frames:' says: it is cut off", _AGAIN)
    return np.concatenate(blocks)


def _blocks(lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """The rest of the file: the number of the first line of each block, and its lines. Only empty lines may follow the first empty one."""
    while raw := list(islice(iter(lambda: lines.stream.readline(MAX_LINE + 1), ""), _BLOCK_LINES)):
        first = lines.number + 1
        lines.number += len(raw)
        full = [bool(line.strip()) for line in raw]
        if not all(full):
            last = full.index(False)
            if any(full[last:]) or lines.next() is not None:
                raise InputError(f"{lines.path}: line {first + last}: empty, with frames after it; expected a frame in every line - {_AGAIN}")
            raw = raw[:last]
        if raw:
            yield first, raw


def _numbers(lines: _Lines, first: int, block: list[str], columns: int) -> Floats:
    try:
        found: Floats = np.loadtxt(block, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        found = np.zeros((0, 0))
    if found.shape == (len(block), columns) and np.isfinite(found).all():
        return found
    for number, line in enumerate(block):
        lines.number = first + number
        words = line.split()
        if len(words) != columns:
            lines.fail(f"{len(words)} numbers", f"expected {columns}, one a channel", f"the file is cut off or altered, {_AGAIN}")
        for place, word in enumerate(words):
            try:
                good = math.isfinite(float(word)) and "_" not in word
            except ValueError:
                good = False
            if not good:
                lines.fail(f"number {place + 1} is {word[:40]!r}", "expected a finite number", f"repair the take or {_AGAIN}")
    return lines.fail("cannot be read as numbers", f"expected {columns} in every line")
