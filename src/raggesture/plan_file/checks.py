"""What a plan is held against before anything is done with it."""

from __future__ import annotations

from raggesture.errors import InputError
from raggesture.plan_file.data import GivenPlan, seconds
from raggesture.trace import SpeechFact
from raggesture.types import Speech


def refuse_another_speech(given: GivenPlan, speech: Speech) -> None:
    """Hold a plan against the recording.

    Raises:
        InputError: it was made for another, told by its samples and not by its name.
    """
    refuse_other(given, SpeechFact.of(speech))


def refuse_other(given: GivenPlan, fact: SpeechFact) -> None:
    """The same for a recording that is not at hand whole.

    Raises:
        InputError: the plan was made for another recording.
    """
    meant = given.file.speech
    if meant.sha256 != fact.sha256:
        raise InputError(
            f"{given.where}: is for {meant.name!r}, {seconds(meant.duration_s)}, sha256 {meant.sha256[:12]}...; expected a plan for {fact.name!r}, "
            f"{seconds(fact.duration_s)}, sha256 {fact.sha256[:12]}... - give that recording, or plan this one with --plan-only"
        )
