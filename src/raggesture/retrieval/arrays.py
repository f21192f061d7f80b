"""Arrays in safetensors files, memory-mapped: nothing is read before it is looked at.

A file that was opened stays readable after another process has removed it (POSIX keeps it until the map is closed).
"""

from __future__ import annotations

import json
import math
import mmap
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import ModelError
from raggesture.resources import readable_by_all

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_HEADER_BYTES = 8
_LARGEST_HEADER = 1 << 30


def _header(path: Path, data: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The table of a safetensors file and where its numbers begin."""
    length = int.from_bytes(data[:_HEADER_BYTES], "little") if len(data) >= _HEADER_BYTES else _LARGEST_HEADER
    begin = _HEADER_BYTES + length
    if begin > len(data):
        raise ModelError(f"{path}: {len(data)} bytes; expected {begin} of header alone - the file is truncated, build the index again or copy it again")
    try:
        table = json.loads(data[_HEADER_BYTES:begin])
    except ValueError as fault:
        raise ModelError(f"{path}: cannot be read as safetensors ({fault}); expected a file of an index - build the index again") from fault
    if not isinstance(table, dict):
        raise ModelError(f"{path}: cannot be read as safetensors; expected a table of arrays - build the index again")
    return table, begin


class MappedArrays:
    """A safetensors file whose arrays are views of its memory map (read-only).

    Raises:
        ModelError: the file is missing, truncated, or not of this format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as fault:
            raise ModelError(f"{path}: no such file; expected a file of an index - build the index again or copy it whole") from fault
        except (OSError, ValueError) as fault:
            raise ModelError(f"{path}: cannot be read ({fault}); expected a file of an index - build the index again") from fault
        self._table: dict[str, Any] | None = None
        self._begin = 0

    def _entries(self) -> dict[str, Any]:
        if self._table is None:  # parsed when first asked: an index may have thousands of clips in files nobody asks for
            self._table, self._begin = _header(self.path, self._data)
        return self._table

    def names(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return tuple(name for name in self._entries() if name != "__metadata__")

    def get(self, name: str) -> NDArray[Any]:
        """An array by name, a view of the file.

        Raises:
            ModelError: no such array, or the file ends before it does.
        """
        entry = self._entries().get(name)
        if entry is None:
            raise ModelError(f"{self.path}: no array {name!r}; expected what 'raggesture index build' writes - build the index again")
        try:
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(int(size) for size in entry["shape"])
            count, first = math.prod(shape), self._begin + int(entry["data_offsets"][0])
            return np.frombuffer(self._data, dtype, count, first).reshape(shape) if count else np.zeros(shape, dtype)
        except (KeyError, TypeError, ValueError, IndexError) as fault:
            raise ModelError(f"{self.path}: array {name!r} cannot be read ({fault}); expected a whole file - copy it again") from fault

    def text(self, name: str) -> tuple[str, ...]:
        """A list of strings that ``write_arrays`` was given as ``encode_texts``."""
        try:
            found = json.loads(self.get(name).tobytes())
        except ValueError as fault:
            raise ModelError(f"{self.path}: list {name!r} cannot be read ({fault}); expected what was written - build the index again") from fault
        return tuple(str(each) for each in found)


def encode_texts(texts: tuple[str, ...] | list[str]) -> NDArray[np.uint8]:
    """Strings as an array of bytes (JSON)."""
    return np.frombuffer(json.dumps(list(texts), ensure_ascii=False).encode(), np.uint8)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a safetensors file that everybody may read."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(path))
    readable_by_all(path)


def checksum_of(*arrays: NDArray[Any]) -> int:
    """CRC-32 over the bytes of arrays."""
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(array).tobytes(), value)
    return value
