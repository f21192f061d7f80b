"""DESIGN's table of layers, held by walking the imports of every module: arrows go down only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "src"
PACKAGE = "raggesture"

# The longest matching prefix decides. A module may import modules of its own layer and below.
LAYERS = {
    "errors": 0, "clock": 0, "resources": 0, "plots": 1, "plugins.hookspecs": 0, "plugins.checks": 0, "plugins": 0, "types": 0, "": 0,
    "body": 1, "body.features": 2, "body.feet": 2, "body.hands_out": 2, "body.steady": 2, "body.smplx_body": 2,
    "motion": 2, "motion_stream": 2, "windows": 2, "speech.audio": 2, "speech.transcript": 2,
    "speech": 3, "corpus": 3, "retarget": 3, "encoders": 3, "models": 3, "diffusion": 3, "retrieval": 3, "metrics": 3, "export": 3, "trace": 3, "outputs": 3,
    "plan_file": 3, "plan_file.following": 5, "planner": 5,
    "plugins.manager": 4, "plugins.locations": 4, "profiles": 4, "config_model": 4, "config": 4, "testing": 4,
    "synthesis": 5, "composing": 5, "inversions": 5, "released_loop": 5, "options": 5, "planning": 5, "anchoring": 5, "windowing": 5,
    "chain": 5, "account": 5, "leapfrog": 5, "longform_work": 5, "longform_files": 5,
    "pipeline": 5, "longform": 5, "follow": 5, "training": 5, "evaluation": 5,
    "cli": 6,
    "__main__": 6,
}  # fmt: skip

# What a family may import of this package beside itself, where that is less than its layer allows.
ONLY = {
    "diffusion": ("errors", "clock", "plugins.hookspecs", "types"),
    "body": ("errors", "clock", "resources", "motion"),
}
NEVER = {
    "retrieval.by_": ("models", "diffusion", "pipeline", "synthesis"),
    "retrieval": ("models", "diffusion"),
    "metrics": ("models", "diffusion", "pipeline", "synthesis", "retrieval.by_"),
    "export": ("models", "diffusion", "pipeline", "synthesis"),
}
LIGHT = (
    "errors", "clock", "types", "profiles", "config_model", "config", "plugins.hookspecs", "plugins.checks", "plugins.manager", "plugins.locations", "cli",
    "outputs",
)  # fmt: skip
HEAVY = ("torch", "librosa", "transformers", "sentence_transformers", "spacy", "faster_whisper", "openai", "hnswlib", "smplx", "scipy")


def _modules() -> dict[str, Path]:
    names = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        names[".".join(part for part in parts if part != "__init__")] = path
    return names


MODULES = _modules()


def _imports(path: Path, *, top_only: bool = False, with_types: bool = False) -> set[str]:
    """Absolute names of imported modules; type-checking blocks are left out unless ``with_types``."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not with_types:
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and top_only:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}".removeprefix(f"{PACKAGE}.") in MODULES)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def _ours(names: set[str]) -> set[str]:
    return {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}


def _layer(module: str) -> int:
    matching = [prefix for prefix in LAYERS if module == prefix or (prefix and module.startswith(f"{prefix}."))]
    assert matching, f"{module}: in no layer of DESIGN's table; add it to LAYERS"
    return LAYERS[max(matching, key=len)]


def _in(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") or (prefix.endswith("_") and module.startswith(prefix)) for prefix in prefixes)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down_only(module: str) -> None:
    if module == "cli.app" or not module:
        return
    upward = {name for name in _ours(_imports(MODULES[module])) if _layer(name) > _layer(module)}
    assert not upward, f"{module} (L{_layer(module)}) imports {sorted(upward)}"


@pytest.mark.parametrize(("family", "allowed"), ONLY.items())
def test_families_that_know_little(family: str, allowed: tuple[str, ...]) -> None:
    for module, path in MODULES.items():
        if _in(module, (family,)):
            strangers = {name for name in _ours(_imports(path)) if not _in(name, (family, *allowed))}
            assert not strangers, f"{module} imports {sorted(strangers)}"


@pytest.mark.parametrize(("family", "forbidden"), NEVER.items())
def test_families_that_never_meet(family: str, forbidden: tuple[str, ...]) -> None:
    for module, path in MODULES.items():
        if _in(module, (family,)):
            met = {name for name in _ours(_imports(path)) if _in(name, forbidden)}
            assert not met, f"{module} imports {sorted(met)}"


def test_retrieval_strategies_do_not_know_each_other() -> None:
    strategies = [module for module in MODULES if module.startswith("retrieval.by_")]
    for module in strategies:
        others = {name for name in _ours(_imports(MODULES[module])) if name in strategies and name != module}
        assert not others, f"{module} imports {sorted(others)}"


def test_diffusion_needs_torch_and_numbers_only() -> None:
    allowed = {"torch", "math", "dataclasses", "collections", "typing", "functools", "itertools", "__future__", "numpy", "pydantic", "abc", PACKAGE}
    for module, path in MODULES.items():
        if _in(module, ("diffusion",)):
            strangers = {name.split(".")[0] for name in _imports(path)} - allowed
            assert not strangers, f"{module} imports {sorted(strangers)}"


@pytest.mark.parametrize("module", [name for name in sorted(MODULES) if _in(name, LIGHT)])
def test_light_modules_import_nothing_heavy_at_their_top(module: str) -> None:
    heavy = {name.split(".")[0] for name in _imports(MODULES[module], top_only=True)} & set(HEAVY)
    assert not heavy, f"{module} imports {sorted(heavy)}"


def test_nobody_imports_click_pickle_or_eval() -> None:
    for module, path in MODULES.items():
        bad = {name.split(".")[0] for name in _imports(path, with_types=True)} & {"click", "pickle", "dill", "joblib", "marshal", "shelve"}
        assert not bad, f"{module} imports {sorted(bad)}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_are_short(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{module}: {lines} lines; one reason per module, 400 lines at most"


def test_the_rules_can_fail() -> None:
    assert _layer("cli.app") > _layer("pipeline") > _layer("config") > _layer("retrieval.index") > _layer("motion") > _layer("body.joints") > _layer("errors")
    assert "torch" in _imports(MODULES["motion"])
    with pytest.raises(AssertionError, match="no layer"):
        _layer("nowhere")
