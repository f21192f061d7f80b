"""``--engine ray``: a local cluster of two machines, one of which is killed; what is sent along; refusals without Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from raggesture.cli.generate import Done, Job, Order, Request
from raggesture.cli.ray_engine import make_batch, sent_environment, spread, tidy
from raggesture.errors import ServiceError

Call = Callable[..., Any]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra 'ray' is not installed")


@pytest.fixture
def two_machines() -> Iterator[Any]:
    """A cluster of two machines with one core each, beside a head without any."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    tests = str(Path(__file__).parents[1])
    ray.init(
        address=cluster.address,
        log_to_driver=False,
        logging_level="error",
        runtime_env={"env_vars": {"PYTHONPATH": tests + os.pathsep + os.environ.get("PYTHONPATH", "")}},
    )
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def job(folder: Path, number: int) -> Job:
    return Job(folder / f"{number}.wav", (folder / f"{number}.npz", folder / f"{number}.trace.json"))


def under_way(folder: Path) -> str:
    """The machine on which something has begun and not ended."""
    for _ in range(500):
        for began in sorted(folder.glob("*.began.*")):
            if began.read_text() and not (folder / f"{began.name.split('.')[0]}.npz").exists():
                return began.read_text()
        time.sleep(0.02)
    raise AssertionError("nothing is under way")


@needs_ray
def test_a_machine_that_dies_loses_nothing(two_machines: Any, tmp_path: Path) -> None:
    import ray

    cluster, nodes = two_machines
    batches = [[job(tmp_path, number)] for number in range(8)]

    def make(jobs: Sequence[Job]) -> list[tuple[str, str]]:
        import os
        import time

        import ray

        (one,) = jobs
        node = ray.get_runtime_context().get_node_id()
        began = one.outputs[0].with_suffix(f".began.{os.getpid()}")
        began.write_text(node)
        time.sleep(1.0)
        one.outputs[0].write_text(node)
        return [(one.speech.name, node)]

    done: dict[int, Any] = {}
    killed = ""
    for number, result in spread(ray, make, batches):
        done[number] = result
        if len(done) == 2:
            killed = under_way(tmp_path)
            cluster.remove_node(next(node for node in nodes if node.node_id == killed), allow_graceful=False)
    assert sorted(done) == list(range(8))
    assert {result[0][0] for result in done.values()} == {f"{n}.wav" for n in range(8)}
    assert all((tmp_path / f"{n}.npz").exists() for n in range(8))
    late = [result[0][1] for number, result in list(done.items())[3:]]
    assert killed and killed not in late
    assert len(list(tmp_path.glob("*.began.*"))) > 8  # what was under way on the machine that died was begun again


@needs_ray
def test_work_that_kills_every_process_is_named(two_machines: Any, tmp_path: Path) -> None:
    import ray

    def die(jobs: Sequence[Job]) -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ServiceError, match=r"7\.wav: made on a cluster five times"):
        list(spread(ray, die, [[job(tmp_path, 7)]]))


def recordings(folder: Path, count: int) -> list[Path]:
    paths = []
    for number in range(count):
        path = folder / f"r{number}.wav"
        wave = 0.1 * np.sin(2 * np.pi * 150 * np.arange(32_000) / 16_000)
        soundfile.write(path, wave.astype(np.float32), 16_000)
        path.with_suffix(".json").write_text('{"words": [{"word": "hello", "start": 0.2, "end": 0.8}, {"word": "there", "start": 0.9, "end": 1.4}]}')
        paths.append(path)
    return paths


@needs_ray
def test_the_command_with_the_packaged_model(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = recordings(tmp_path, 3)
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    common = ("--retriever", "none", "--steps", 3, "--format", "npz", "--json")
    found = call("generate", *paths, bad, "--engine", "ray", "--batch", 2, "--out", tmp_path / "out", *common)
    results = json.loads(found.out)["results"]
    assert found.code == 3 and [each.get("exit_code", 0) for each in results] == [0, 0, 0, 3]
    assert [Path(each["speech"]).name for each in results] == ["r0.wav", "r1.wav", "r2.wav", "bad.wav"]
    here = call("generate", paths[2], "--out", tmp_path / "here", *common)
    assert here.code == 0
    with np.load(tmp_path / "out" / "r2.npz") as ours, np.load(tmp_path / "here" / "r2.npz") as alone:
        np.testing.assert_allclose(ours["poses"], alone["poses"], atol=2e-3)
    again = call("generate", paths[0], "--engine", "ray", "--out", tmp_path / "out", *common)
    assert again.code == 2 and "exists" in json.loads(again.out)["results"][0]["error"]


def test_without_ray_it_says_what_to_install(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    found = call("generate", *recordings(tmp_path, 1), "--engine", "ray", "--out", tmp_path / "out")
    assert found.code == 4 and "raggesture[ray]" in found.error
    assert call("generate", "a.wav", "--engine", "spark").code == 4


def test_secrets_are_not_sent_along() -> None:
    environ = {"RAGGESTURE_GENERATE__STEPS": "5", "RAGGESTURE_PLUGINS": "", "RAGGESTURE_X__API_KEY": "abc", "OPENAI_API_KEY": "sk-" + "a" * 20, "HOME": "/"}
    environ["RAGGESTURE_Y__Z"] = "sk-" + "b" * 20
    assert sent_environment(environ) == {"RAGGESTURE_GENERATE__STEPS": "5", "RAGGESTURE_PLUGINS": ""}


def test_a_batch_that_is_made_again_takes_what_was_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from raggesture.trace import Trace, write_trace
    from raggesture.types import Speech, Transcript

    jobs = [job(tmp_path, 0), job(tmp_path, 1)]
    jobs[0].outputs[0].write_bytes(b"motion")
    write_trace(Trace.of(speech=Speech("0", np.zeros(16_000, np.float32), Transcript(()))), jobs[0].outputs[1])
    half = tmp_path / ".1.123.partial.npz"
    half.write_bytes(b"half")
    asked: list[Job] = []

    class Worker:
        def attempt_all(self, jobs: Sequence[Job]) -> list[Done]:
            asked.extend(jobs)
            return [Done(each.speech, each.outputs, 3.0, 1) for each in jobs]

    monkeypatch.setattr("raggesture.cli.ray_engine._worker", lambda order: Worker())
    order = Order(None, (), (), (), None, Request(tuple(each.speech for each in jobs), tmp_path, None, False, False, False, True))
    done = make_batch(order, jobs)
    assert asked == [jobs[1]] and [each.seconds for each in done] == [1.0, 3.0]
    tidy(jobs)
    assert not half.exists() and jobs[0].outputs[0].exists()
