"""The ``html`` exporter: one self-contained page that plays voice and body together and shows what the trace says.

The page needs no network and works from a file: its program (``page/bundle``, built from ``page/src``), the mannequin, the
motion and the voice are inside. A content security policy lets nothing else run: scripts only by their digest, no connection.
Data goes in as base64 or as JSON in which ``<``, ``>`` and ``&`` are escaped; the page puts text into the document as text only.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.export.tracks import floor_height_m, mannequin, motion_tracks, peaks, skeleton_data, voice_track
from raggesture.plugins.hookspecs import Exporter, Scene, hookimpl

PAGE_DIR = Path(__file__).parent / "page"
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_SLOT = re.compile(r"\{\{(\w+)\}\}")


class HtmlOptions(BaseModel):
    """``html`` has no options."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def json_for_script(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element: pure ASCII, no ``<``, ``>`` or ``&``; NaN is refused."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: _ESCAPES[found[0]], text)


def page_data(scene: Scene) -> dict[str, Any]:
    """All that the page's program reads."""
    motion, speech = scene.motion, scene.speech
    data: dict[str, Any] = {
        "name": scene.name,
        "fps": motion.fps,
        "frames": motion.frames,
        "floor": round(floor_height_m(motion), 4) if motion.frames else 0.0,
        "skeleton": skeleton_data(),
        "tracks": {name: asdict(track) for name, track in motion_tracks(motion).items()},
        "mannequin": asdict(mannequin()),
        "trace": scene.trace,
        "audio": None,
        "peaks": None,
        "words": [],
    }
    if speech is not None:
        data["words"] = [{"text": word.text, "start": word.start, "end": word.end} for word in speech.transcript.words]
        if speech.wave.size:
            levels, rate = peaks(speech.wave)
            data["audio"] = {"rate": SAMPLE_RATE_HZ, "track": asdict(voice_track(speech.wave))}
            data["peaks"] = {"rate": rate, "data": levels}
    return data


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def page_text(scene: Scene) -> str:
    """The whole page."""
    program = (PAGE_DIR / "bundle" / "page.js").read_text(encoding="utf-8")
    style = (PAGE_DIR / "bundle" / "page.css").read_text(encoding="utf-8")
    policy = f"default-src 'none'; script-src '{_digest(program)}'; style-src '{_digest(style)}'; media-src blob:; img-src data: blob:"
    slots = {
        "title": html.escape(scene.name),
        "policy": html.escape(policy, quote=True),
        "style": style,
        "data": json_for_script(page_data(scene)),
        "program": program,
    }
    template = (PAGE_DIR / "src" / "page.html").read_text(encoding="utf-8")
    return _SLOT.sub(lambda slot: slots[slot[1]], template)


class HtmlExporter:
    """Writes the page."""

    name: ClassVar[str] = "html"
    suffix: ClassVar[str] = ".html"
    Options: ClassVar[type[BaseModel]] = HtmlOptions

    def __init__(self, options: HtmlOptions) -> None:
        self._options = options

    def write(self, scene: Scene, path: Path) -> None:
        """Write the page of ``scene`` to ``path``; the same scene gives the same bytes.

        Raises:
            InputError: the motion has no frames.
        """
        path.write_bytes(page_text(scene).encode("utf-8", "replace"))


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [HtmlExporter]
