"""``raggesture longform`` with the tiny model, in a process of its own that a test can kill.

Arguments: a folder for the toy index, seconds to wait before each window, then those of the command line.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch

from helpers_retrieval import ToyAudio, ToyText
from helpers_synthesis import tiny_model, toy_index
from raggesture.chain import AnchoredLoop
from raggesture.cli.app import run
from raggesture.pipeline import Pipeline
from raggesture.retrieval.index import Index
from raggesture.trace import Identity


def main() -> int:
    folder, wait_s = Path(sys.argv[1]), float(sys.argv[2])
    torch.set_num_threads(1)
    index = Index.open(folder) if folder.exists() else toy_index(folder)
    pipeline = Pipeline(tiny_model(), index, (Identity("tiny", "0"), Identity("toy", "1")), (ToyText(), ToyAudio()))
    index.use_encoder(ToyText())

    def load(*arguments: Any) -> Pipeline:
        return pipeline

    make = AnchoredLoop.make

    def slowly(self: AnchoredLoop, jobs: Any) -> Any:
        time.sleep(wait_s)
        return make(self, jobs)

    Pipeline.load = load  # type: ignore[method-assign, assignment]
    AnchoredLoop.make = slowly  # type: ignore[method-assign]
    return run(sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
