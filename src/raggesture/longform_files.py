"""What is delivered of a long speech: pieces of motion put together, without holding them all where a format can be written in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from raggesture.motion import Motion, concatenated, npz_frames, read_npz, write_npz_in_pieces


def pieces_of(paths: Sequence[Path]) -> Iterator[Motion]:
    """The pieces, one at a time."""
    return (read_npz(path) for path in paths)


def frames_of(paths: Sequence[Path]) -> int:
    """Frames of all pieces together, read from their headers."""
    return sum(npz_frames(path) for path in paths)


def write_whole(paths: Sequence[Path], frames: int, path: Path) -> None:
    """One npz of all pieces, in the memory of one.

    Args:
        frames: of all pieces together.
    """
    write_npz_in_pieces(lambda: pieces_of(paths), frames, path)


def whole_of(paths: Sequence[Path]) -> Motion:
    """All pieces as one motion in memory (an hour is 116 MB), for formats that need it whole."""
    return concatenated(list(pieces_of(paths)))
