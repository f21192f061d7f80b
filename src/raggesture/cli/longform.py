"""``raggesture longform``: one motion of a long recording, window after window."""

from __future__ import annotations

from pathlib import Path

from raggesture.cli import options as o
from raggesture.cli.generate import Request, flags, run, settings_of


def longform(
    speeches: o.Speeches,
    transcript: o.Transcript = None,
    out: o.Out = Path(),
    formats: o.Formats = None,
    model: o.ModelPath = None,
    index: o.IndexPath = None,
    retriever: o.Retriever = None,
    retriever_options: o.RetrieverOption = None,
    retriever_fallback: o.RetrieverFallback = None,
    guidance: o.Guidance = None,
    guidance_options: o.GuidanceOption = None,
    inject: o.Inject = None,
    weight: o.Weight = None,
    parts: o.Parts = None,
    steps: o.Steps = None,
    seed: o.Seed = None,
    speaker: o.Speaker = None,
    device: o.Device = None,
    profile: o.Profile = None,
    force: o.Force = False,
    dry_run: o.DryRun = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Make one motion of a long recording: windows of ten seconds, each overlapping the last by one, blended."""
    given = flags(formats, model, index, retriever, guidance, inject, weight, steps, seed, speaker, device, retriever_fallback)
    with o.command(verbose=verbose, quiet=quiet):
        settings = settings_of(profile, given, retriever_options or (), guidance_options or (), parts)
        run(settings, Request(speeches, out, transcript, force, dry_run, as_json, quiet))
