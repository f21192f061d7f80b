"""The ``html`` exporter: one self-contained page that plays voice and body together and shows what the trace says.

The page needs no network and works from a file: its program (``page/bundle``, built from ``page/src``), the mannequin, the
motion and the voice are inside. A content security policy lets nothing else run: scripts only by their digest, no connection.
Beside the motion it shows, where the scene has them, the exemplars that were injected and a second result to compare with.
Data goes in as base64 or as JSON in which ``<``, ``>`` and ``&`` are escaped; the page puts text into the document as text only.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.errors import InputError
from raggesture.export.ghosts import ghost_tracks
from raggesture.export.progress import Told, told_to
from raggesture.export.tracks import Mannequin, Track, companded_track, floor_height_m, mannequin, motion_tracks, peaks, skeleton_data, voice_track
from raggesture.plugins.hookspecs import Exporter, Ghost, Scene, SceneOfTwo, SceneWithGhosts, Second, hookimpl

if TYPE_CHECKING:
    from raggesture.motion import Motion
    from raggesture.types import Speech

PAGE_DIR = Path(__file__).parent / "page"
LONG_S = 600.0
"""From this many seconds on the voice is kept in 8 bits: an hour in 16 would be 100 MB of the page."""
_VOICE_FROM, _PAGE_FROM = 0.3, 0.95
"""Shares of the time a page takes, measured on ten minutes: when the motion is packed, and when the voice is too."""
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_SLOT = re.compile(r"\{\{(\w+)\}\}")


class HtmlOptions(BaseModel):
    """``html`` has no options."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def json_for_script(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element: pure ASCII, no ``<``, ``>`` or ``&``; NaN is refused."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: _ESCAPES[found[0]], text)


class Blocks:
    """The page's large texts, each in an element of its own, so that the page can let go of each when it is unpacked."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def put(self, name: str, track: Track | Mannequin) -> dict[str, Any]:
        """Facts of ``track``; its packed data becomes the text of the block ``name``."""
        facts = asdict(track)
        self.texts[name] = facts.pop("data")
        return {**facts, "block": name}

    def html(self) -> str:
        """The elements. Base64 needs no escaping."""
        return "\n".join(f'<script type="text/plain" id="{name}">{text}</script>' for name, text in self.texts.items())


def _body_data(motion: Motion, blocks: Blocks, prefix: str = "") -> dict[str, Any]:
    tracks = {name: blocks.put(f"{prefix}{name}", track) for name, track in motion_tracks(motion).items()}
    return {"fps": motion.fps, "frames": motion.frames, "floor": round(floor_height_m(motion), 4), "tracks": tracks}


def _second_data(scene: Scene, blocks: Blocks) -> dict[str, Any] | None:
    second = scene.second if isinstance(scene, SceneOfTwo) else None
    if second is None:
        return None
    return {"labels": list(second.labels), **_body_data(second.motion, blocks, "second-")}


def _ghosts_data(scene: Scene, blocks: Blocks) -> dict[str, Any] | None:
    ghosts = scene.ghosts if isinstance(scene, SceneWithGhosts) else ()
    placements = scene.trace["placements"] if scene.trace else []
    tracks = ghost_tracks(ghosts, len(placements))
    if tracks is None:
        return None
    facts = {"rotations": blocks.put("ghost-rotations", tracks.rotations), "translation": blocks.put("ghost-translation", tracks.translation)}
    return {"rows": tracks.rows, "tracks": facts}


def _voice_data(speech: Speech, blocks: Blocks) -> dict[str, Any]:
    levels, rate = peaks(speech.wave)
    law = "mu-law" if speech.duration_s > LONG_S else "linear"
    track = companded_track(speech.wave) if law == "mu-law" else voice_track(speech.wave)
    return {"audio": {"rate": SAMPLE_RATE_HZ, "law": law, "track": blocks.put("voice", track)}, "peaks": {"rate": rate, "data": levels}}


def page_data(scene: Scene, blocks: Blocks) -> dict[str, Any]:
    """All that the page's program reads, but for the large tracks, which go into ``blocks``."""
    told = told_to(scene)
    told("the motion", 0.0)
    data: dict[str, Any] = {
        "name": scene.name,
        **_body_data(scene.motion, blocks),
        "skeleton": skeleton_data(),
        "mannequin": blocks.put("mannequin", mannequin()),
        "trace": scene.trace,
        "ghosts": _ghosts_data(scene, blocks),
        "second": _second_data(scene, blocks),
        "audio": None,
        "peaks": None,
        "words": [],
    }
    if scene.speech is not None:
        data["words"] = [{"text": word.text, "start": word.start, "end": word.end} for word in scene.speech.transcript.words]
        if scene.speech.wave.size:
            told("the voice", _VOICE_FROM)
            data |= _voice_data(scene.speech, blocks)
    told("the page", _PAGE_FROM)
    return data


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def page_text(scene: Scene) -> str:
    """The whole page."""
    program = (PAGE_DIR / "bundle" / "page.js").read_text(encoding="utf-8")
    style = (PAGE_DIR / "bundle" / "page.css").read_text(encoding="utf-8")
    policy = f"default-src 'none'; script-src '{_digest(program)}'; style-src '{_digest(style)}'; media-src blob:; img-src data: blob:"
    blocks = Blocks()
    data = json_for_script(page_data(scene, blocks))
    slots = {
        "title": html.escape(scene.name),
        "policy": html.escape(policy, quote=True),
        "style": style,
        "data": data,
        "blocks": blocks.html(),
        "program": program,
    }
    template = (PAGE_DIR / "src" / "page.html").read_text(encoding="utf-8")
    return _SLOT.sub(lambda slot: slots[slot[1]], template)


@dataclass(frozen=True, slots=True, eq=False)
class _Together:
    """Two results as one scene."""

    name: str
    motion: Motion
    speech: Speech | None
    trace: Any
    ghosts: tuple[Ghost, ...]
    second: Second | None
    progress: Told


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
            InputError: the motion (or the second one) has no frames; a ghost belongs to no placement.
        """
        path.write_bytes(page_text(scene).encode("utf-8", "replace"))

    def write_together(self, scenes: Sequence[Scene], path: Path) -> None:
        """Write one page of two results, each called by its scene's name; words, voice and gestures are the first one's.

        Raises:
            InputError: not two scenes, or a motion has no frames.
        """
        if len(scenes) != 2:
            raise InputError(f"page: {len(scenes)} results side by side; expected two - show two at a time")
        first, other = scenes
        ghosts = first.ghosts if isinstance(first, SceneWithGhosts) else ()
        second = Second(other.motion, (first.name, other.name))
        self.write(_Together(first.name, first.motion, first.speech, first.trace, tuple(ghosts), second, told_to(first)), path)


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [HtmlExporter]
