"""How long ``raggesture eval`` takes for many ten-second results, and that memory does not grow with their motion.

``RAGGESTURE_BENCH_CLIPS=1000 pytest -s tests/benchmarks/test_bench_evaluation.py`` (default 1000); two processes measure. The peak is of the process that
gathers: the quarter first, then all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from raggesture.metrics.samples import sample_speech, swinging
from raggesture.motion import write_npz

CLIPS = int(os.environ.get("RAGGESTURE_BENCH_CLIPS", "1000"))
_FRAMES, _KINDS = 300, 25
_RUN = """
import json, resource, sys, time
from pathlib import Path
from raggesture.evaluation import EvaluationOptions, evaluate
from raggesture.plugins.manager import PluginManager
if __name__ == "__main__":
    results, corpus, cached = sys.argv[1:]
    start = time.perf_counter()
    report = evaluate(Path(results), Path(corpus), EvaluationOptions(workers=2, cache=cached == "yes"), parts=PluginManager(find=lambda: [])).report
    took = time.perf_counter() - start
    print(json.dumps([report.protocol["clips"], took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def _lay(folder: Path, count: int) -> tuple[Path, Path]:
    """``count`` clips, each result another motion; voices and references are a few files under many names."""
    results, corpus, kinds = folder / "results", folder / "corpus", folder / "kinds"
    for place in (results, corpus / "smplxflame_30", corpus / "wave16k", kinds):
        place.mkdir(parents=True)
    for k in range(_KINDS):
        write_npz(swinging(k, _FRAMES), kinds / f"{k}.npz")
        soundfile.write(kinds / f"{k}.wav", sample_speech("x", 10.0, 0.8 + 0.07 * k).wave, 16_000)
    for k in range(count):
        name = f"1_ada_0_{k}_{k}"
        write_npz(swinging(1000 + k, _FRAMES), results / f"{name}.npz")
        os.link(kinds / f"{k % _KINDS}.npz", corpus / "smplxflame_30" / f"{name}.npz")
        os.link(kinds / f"{k % _KINDS}.wav", corpus / "wave16k" / f"{name}.wav")
    return results, corpus


def _run(folder: Path, results: Path, corpus: Path, *, cached: bool) -> tuple[int, float, float]:
    script = folder / "run.py"
    script.write_text(_RUN)
    environment = {**os.environ, "RAGGESTURE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(results), str(corpus), "yes" if cached else "no"], capture_output=True, text=True, check=True, env=environment
    )
    clips, took, peak = json.loads(done.stdout)
    return clips, took, peak


def test_many_results_in_minutes_and_flat_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for count in (CLIPS // 4, CLIPS):
        results, corpus = _lay(tmp_path / str(count), count)
        for cached in (True, True):  # the first run fills the cache, the second reads it
            rows.append((count, *_run(tmp_path / str(count), results, corpus, cached=cached)))
    with capsys.disabled():
        print("\nclips, seconds (first run, again), peak MiB of the gathering process")
        for count, clips, took, peak in rows:
            print(f"{count:6d} {took:8.1f} s {took / count * 1000:7.1f} ms a clip {peak:8.0f} MiB")
            assert clips == count
    assert rows[2][3] < rows[0][3] + 0.25 * CLIPS, "a clip costs the gathering process more than a quarter of a MiB"
