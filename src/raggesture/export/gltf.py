"""A binary glTF 2.0 container (GLB), written block by block so that only one block of numbers is in memory at a time.

Source: Khronos, glTF 2.0 specification, chapters "Accessors" and "GLB File Format Specification".
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_MAX_BYTES = 2**32 - 1
_HEADER = struct.Struct("<4sII")
_CHUNK = struct.Struct("<I4s")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One accessor and the bytes behind it.

    ``component``: numpy's name of the little-endian number (``f4``, ``u2`` ...). ``kind``: SCALAR, VEC3, VEC4 or MAT4. ``values``: makes the
    (count, width) array when it is written. ``target``: 0, or what the bytes are to a mesh. ``bounded``: the accessor states its smallest and
    largest values; the numbers are then made twice.
    """

    component: str
    kind: str
    count: int
    values: Callable[[], NDArray[Any]]
    target: int = 0
    normalised: bool = False
    bounded: bool = False

    @property
    def bytes(self) -> int:
        """Length in the file, without padding."""
        return self.count * _WIDTHS[self.kind] * np.dtype(self.component).itemsize

    def array(self) -> NDArray[Any]:
        """(count, width), in the number format of the file."""
        return np.ascontiguousarray(self.values(), dtype=f"<{self.component}").reshape(self.count, _WIDTHS[self.kind])

    def accessor(self, view: int) -> dict[str, Any]:
        """The accessor as JSON data."""
        found: dict[str, Any] = {"bufferView": view, "componentType": _COMPONENTS[self.component], "count": self.count, "type": self.kind}
        if self.normalised:
            found["normalized"] = True
        if self.bounded:
            array = self.array()
            found |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        return found


def plain_text(text: str) -> str:
    """``text`` as valid Unicode: what a file name holds that is none becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _padded(length: int) -> int:
    return -(-length // 4) * 4


def write_glb(path: Path, document: dict[str, Any], blocks: Sequence[Block]) -> None:
    """Write ``document`` with ``blocks`` as its accessors (accessor k is block k), buffer views and buffer.

    Raises:
        InputError: the file would be longer than GLB's 4 GiB.
    """
    views: list[dict[str, Any]] = []
    offset = 0
    for block in blocks:
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": block.bytes} | ({"target": block.target} if block.target else {}))
        offset += _padded(block.bytes)
    whole = document | {
        "accessors": [block.accessor(k) for k, block in enumerate(blocks)],
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (_padded(len(text)) - len(text))
    length = _HEADER.size + 2 * _CHUNK.size + len(text) + offset
    if length > _MAX_BYTES:
        raise InputError(f"motion: {length} bytes as GLB; expected at most {_MAX_BYTES}, the format's limit - cut the motion into parts")
    with path.open("wb") as stream:
        stream.write(_HEADER.pack(b"glTF", 2, length))
        stream.write(_CHUNK.pack(len(text), b"JSON") + text)
        stream.write(_CHUNK.pack(offset, b"BIN\0"))
        for block in blocks:
            stream.write(block.array().tobytes())
            stream.write(b"\0" * (_padded(block.bytes) - block.bytes))
