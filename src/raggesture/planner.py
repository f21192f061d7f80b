"""Planning without sampling: which word would get which gesture, and where. Of a model only its manifest is read, its weights are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raggesture.encoders.base import TextEncoder
from raggesture.encoders.registry import text_encoder
from raggesture.errors import ModelError
from raggesture.models.checkpoint import MANIFEST, ModelManifest, read_manifest
from raggesture.options import GenerateOptions, check_speaker
from raggesture.plan_file.data import GivenPlan, PlanFile, PlanMade
from raggesture.plan_file.following import follow
from raggesture.plan_file.made import plan_file_of
from raggesture.planning import Plan, make_plan
from raggesture.plugins.hookspecs import Retriever
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of
from raggesture.retrieval.index import Index
from raggesture.speech.cues import find_cues
from raggesture.trace import Identity
from raggesture.types import Cues, Speech
from raggesture.windows import window_starts

Identities = tuple[Identity, Identity | None]
"""Of the model and of the index."""


def plan_speech(
    speech: Speech,
    cues: Cues,
    options: GenerateOptions,
    retriever: Retriever,
    index: Index | None,
    starts: Sequence[int],
    given: GivenPlan | None,
    identities: Identities,
) -> Plan:
    """The plan that was given, followed; where none was, the retriever's.

    Raises:
        InputError: the plan does not fit. ServiceError: the retriever's service does not answer, and ``options.retriever_fallback`` is ``fail``.
    """
    if given is None:
        return make_plan(speech, cues, options, retriever, index, starts)
    return follow(given, speech, cues, options, retriever, index, starts, made_with(identities))


def made_with(identities: Identities, retriever: str = "") -> PlanMade:
    """What a plan says it was made with."""
    model, index = identities
    return PlanMade(retriever, model.name, model.sha256, index.name if index else "", index.sha256 if index else "")


def index_for(manifest: ModelManifest, index: Path | Index | None, text: TextEncoder) -> Index:
    """Open the index of a model (a folder, one that is open already, None for the packaged one) and hold the two together.

    Raises:
        ModelError: no index there, a broken one, or one that was built with other encoders than the model's.
    """
    opened = index if isinstance(index, Index) else Index.open(index or packaged_dir(PACK_NAME, "index"))
    for what, ours, theirs in (
        ("text encoder", manifest.text_encoder, opened.manifest.text_encoder),
        ("audio encoder", manifest.audio_encoder, opened.manifest.audio_encoder),
        ("width of text", manifest.denoiser.text_dim, opened.manifest.text_dim),
        ("width of audio", manifest.denoiser.audio_dim, opened.manifest.audio_dim),
    ):
        if ours != theirs:
            raise ModelError(f"{opened.path}: its {what} is {theirs!r}; expected {ours!r} as the model's - build the index with the model's encoders")
    opened.use_encoder(text)
    return opened


@dataclass(frozen=True, slots=True, eq=False)
class Planner:
    """Plans speeches over one index. ``speakers``: those of the model."""

    index: Index | None
    identities: Identities
    speakers: tuple[str, ...]

    @classmethod
    def load(cls, model: Path | None = None, index: Path | Index | None = None, encoder_folders: Mapping[str, Path] | None = None) -> Planner:
        """Read the manifest of a model and open an index; arguments and errors as ``raggesture.pipeline.Pipeline.load``."""
        folder = model or packaged_dir(PACK_NAME, "model")
        manifest = read_manifest(folder)
        name = manifest.text_encoder
        opened = index_for(manifest, index, text_encoder(name, (encoder_folders or {}).get(name)))
        return cls(opened, (Identity(manifest.name, sha256_of(folder / MANIFEST)), Identity(*opened.identity)), manifest.speakers)

    def plan(self, speech: Speech, options: GenerateOptions, retriever: Retriever, given: GivenPlan | None = None) -> PlanFile:
        """The plan of a speech as a file; of a plan that was given, what is followed: all that it left out filled in.

        Raises:
            ConfigError: an unknown speaker. InputError: the plan that was given does not fit.
            ServiceError: the retriever's service does not answer, and ``options.retriever_fallback`` is ``fail``.
        """
        check_speaker(options.speaker, self.speakers)
        starts = window_starts(speech.duration_s)
        plan = plan_speech(speech, find_cues(speech), options, retriever, self.index, starts, given, self.identities)
        return plan_file_of(plan, speech, starts, made_with(self.identities, retriever.name))
