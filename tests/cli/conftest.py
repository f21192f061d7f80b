"""The command line in this process, with a pipeline that needs no weights where a test asks for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from plugin_projects import installed
from raggesture.cli.app import run

__all__ = ["installed"]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of the error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert lines, self.err
        return lines[-1]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def call_it(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(each) for each in arguments])
        found = capsys.readouterr()
        assert "Traceback" not in found.err or "-v" in arguments
        return Outcome(code, found.out, found.err)

    return call_it


@pytest.fixture
def voice(tmp_path: Path) -> Callable[[str], Path]:
    """A hum of two seconds, with its words beside it."""

    def write(name: str) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        wave = 0.1 * np.sin(2 * np.pi * 150 * np.arange(32000) / 16000)
        soundfile.write(path, wave.astype(np.float32), 16000)
        path.with_suffix(".json").write_text('{"words": [{"word": "hello", "start": 0.2, "end": 0.8}, {"word": "there", "start": 0.9, "end": 1.4}]}')
        return path

    return write


@pytest.fixture
def toy_pipeline(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pipeline.load gives a pipeline that answers with a still body; returns the calls it got. ``calls.fault`` makes it raise."""
    from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS
    from raggesture.clock import MOTION_FPS, frames_of_seconds
    from raggesture.motion import Motion
    from raggesture.pipeline import Generation, Pipeline
    from raggesture.trace import Trace

    class Calls(list):  # type: ignore[type-arg]
        fault: BaseException | None = None

    calls = Calls()

    class Toy:
        index = None

        def generate(
            self, speech: Any, options: Any, *, retriever: Any, schedule: Any, settings: Any, file: Any, progress: Any, given: Any = None
        ) -> Generation:
            calls.append((speech, options, retriever, schedule))
            if calls.fault is not None:
                raise calls.fault
            progress("sample", 0.5)
            frames = frames_of_seconds(speech.duration_s, MOTION_FPS)
            motion = Motion(np.zeros((frames, N_JOINTS, 3)), np.zeros((frames, 3)), np.zeros((frames, N_EXPRESSIONS)), float(MOTION_FPS))  # type: ignore[arg-type]
            return Generation(speech.name, motion, speech, Trace.of(speech=speech, file=file, settings=settings, seed=options.seed))

        def understand(self, speech: Any, options: Any, *, retriever: Any, file: Any, progress: Any, given: Any) -> Any:
            return (speech, file, retriever, progress)

        def generate_together(self, speeches: Any, options: Any, *, schedule: Any, settings: Any) -> list[Generation]:
            return [
                self.generate(speech, options, retriever=retriever, schedule=schedule, settings=settings, file=file, progress=progress)
                for speech, file, retriever, progress in speeches
            ]

    def load(model: Any, index: Any, device: str, encoder_folders: Any) -> Toy:
        calls.append(("load", model, index, device))
        return Toy()

    monkeypatch.setattr(Pipeline, "load", load)
    return calls
