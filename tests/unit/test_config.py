"""Settings: precedence, origins, and every way in which a profile can be wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from raggesture.config import Compat, Generate, Overrides, Placement, load_settings
from raggesture.errors import ConfigError
from raggesture.plugins.manager import PluginManager
from raggesture.profiles import profile_names, readings
from raggesture.resources import packaged_dir

CHECKOUT = Path(__file__).resolve().parents[2] / "profiles"


def load(profile: str | Path | None = None, environ: dict[str, str] | None = None, r: list[str] | None = None, g: list[str] | None = None, **flags: Any) -> Any:
    overrides = Overrides({key: (value, f"--{key}") for key, value in flags.items()}, r or [], g or [])
    return load_settings(None if profile is None else str(profile), overrides=overrides, environ=environ or {}, parts=PluginManager(find=lambda: []))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_profile(text: str, name: str = "mine.toml", *, schema: str = "schema = 1\n") -> Path:
        path = tmp_path / name
        path.write_text(schema + text)
        return path

    return write_profile


def test_profiles_of_the_checkout_are_the_packaged_ones() -> None:
    ours, packaged = ({path.name: path.read_bytes() for path in folder.glob("*.toml")} for folder in (CHECKOUT, packaged_dir("profiles")))
    assert ours == packaged and {"default.toml", "paper.toml", "released.toml", "fast.toml"} <= set(ours)


def test_the_default_profile_is_the_defaults_written_out() -> None:
    written = tomli.loads((packaged_dir("profiles") / "default.toml").read_text())
    assert Generate.model_validate_json(__import__("json").dumps(written["generate"])) == Generate()
    assert set(written["generate"]) == set(Generate.model_fields) - {"steps"}, "the steps are the sampler's own, also for a child that names another"
    assert written["placement"] == Placement().model_dump(mode="json")


@pytest.mark.parametrize("name", profile_names())
def test_every_packaged_profile_loads(name: str) -> None:
    settings = load(name)
    assert 0.0 <= min(settings.schedule().rates(50)) <= 1.0


def test_released_replaces_at_every_step() -> None:
    rates = load("released").schedule().rates(50)
    assert rates == (1.0,) * 50


def test_precedence_and_origins(write: Any) -> None:
    write('[generate]\nsteps = 30\nseed = 1\nweight = 0.5\nspeaker = "ann"\n', "parent.toml")
    child = write('extends = "parent"\n[generate]\nseed = 2\nweight = 0.6\n', "child.toml")
    found = load(child, {"RAGGESTURE_GENERATE__WEIGHT": "0.7", "RAGGESTURE_GENERATE__DEVICE": "cpu"}, device="cuda")
    assert (found.generate.steps, found.generate.seed, found.generate.weight, found.generate.device) == (30, 2, 0.7, "cuda")
    origins = {key: origin for key, (_, origin) in found.origins.items()}
    assert origins["generate.steps"].endswith("parent.toml") and origins["generate.seed"].endswith("child.toml")
    assert origins["generate.weight"] == "environment RAGGESTURE_GENERATE__WEIGHT"
    assert origins["generate.device"] == "command line --device"
    assert origins["generate.retriever"] == "default"
    assert found.to_json()["generate.weight"] == {"value": 0.7, "origin": "environment RAGGESTURE_GENERATE__WEIGHT"}


def test_arrays_replace_and_tables_merge(write: Any) -> None:
    write('[generate]\nformats = ["npz", "html"]\n[guidance.hold]\nrate = 0.5\nuntil = 0.5\n', "parent.toml")
    found = load(write('extends = "parent.toml"\n[generate]\nformats = ["npz"]\n[guidance.hold]\nuntil = 1.0\n'))
    assert found.generate.formats == ("npz",)
    assert found.schedule().rates(2) == (0.5, 0.5)


def test_an_empty_table_takes_nothing_away(write: Any) -> None:
    write("[generate]\nsteps = 30\n", "parent.toml")
    assert load(write('extends = "parent"\n[generate]\n')).generate.steps == 30


def test_options_of_the_chosen_parts() -> None:
    found = load(g=["rate=0.25", "until=1"], guidance="hold")
    assert found.schedule().rates(3) == (0.25,) * 3
    assert found.origins["guidance.hold.rate"] == (0.25, "command line -G")
    assert found.origins["guidance.hold.until"] == (1.0, "command line -G")


def test_environment_reaches_options_of_parts_with_a_dash_and_lists() -> None:
    found = load(environ={"RAGGESTURE_GUIDANCE__HOLD__UNTIL": "0.5", "RAGGESTURE_GENERATE__FORMATS": "npz", "RAGGESTURE_GENERATE__SPEAKER": "12"})
    assert found.schedule().rates(2) == (1.0, 0.0)
    assert found.generate.formats == ("npz",) and found.generate.speaker == "12"
    with pytest.raises(ConfigError, match=r"RAGGESTURE_RETRIEVER__GESTURE_TYPE__NO_SUCH: unknown key 'no_such'"):
        load(environ={"RAGGESTURE_RETRIEVER__GESTURE_TYPE__NO_SUCH": "1"})


def test_variables_without_a_double_underscore_are_not_settings() -> None:
    assert load(environ={"RAGGESTURE_PLUGINS": "", "RAGGESTURE_CACHE": "x"}).generate == Generate()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[generate]\nstepz = 3\n", r"mine\.toml: generate\.stepz: unknown key 'stepz'; did you mean 'steps'\?"),
        ('[generate]\nsteps = "3"\n', r"mine\.toml: generate\.steps: expected int, got str '3'"),
        ("[generate]\nsteps = 3.5\n", r"mine\.toml: generate\.steps: expected int, got float 3\.5"),
        ("[generate]\nsteps = true\n", r"generate\.steps: expected int, got bool True"),
        ("[generate]\nsteps = 0\n", r"generate\.steps: expected greater than or equal to 2, got int 0"),
        ("[generate]\nweight = 1.5\n", r"generate\.weight: expected less than or equal to 1, got float 1\.5"),
        ("[generate]\nweight = nan\n", r"generate\.weight: expected .* got float nan"),
        ('[generate]\ninject = "inversion+guidence"\n', r"generate\.inject: expected 'inversion\+guidance'"),
        ('[generate]\nformats = "npz"\n', r"generate\.formats: expected list, got str 'npz'"),
        ("[generate]\nformats = []\n", r"generate\.formats: is empty; expected at least one"),
        ('[generate]\nformats = ["npz", "htm"]\n', r"mine\.toml: generate\.formats: format 'htm': unknown; did you mean 'html'\?"),
        ('[generate]\nretriever = "lllm"\n', r"mine\.toml: generate\.retriever: retriever 'lllm': unknown; did you mean 'llm'\?"),
        ('[generate]\nguidance = "decreasing_til_25"\n', r"guidance schedule 'decreasing_til_25': unknown; did you mean 'decreasing_till_25'\?"),
        ("[generat]\nsteps = 3\n", r"unknown table 'generat'; did you mean 'generate'\?"),
        ("[generate.steps]\nmany = 3\n", r"generate\.steps\.many: expected int"),
        ("generate = 3\n", r"mine\.toml: generate: expected a table \[generate\], got int 3"),
        ("[guidance.hold]\nuntill = 0.5\n", r"mine\.toml: guidance\.hold\.untill: unknown key 'untill'; did you mean 'until'\?"),
        ('[guidance.hold]\nuntil = "x"\n', r"mine\.toml: guidance\.hold\.until: expected float, got str 'x'"),
        ("[guidance]\nuntil = 1\n", r"mine\.toml: guidance\.until: expected \[guidance\.NAME\] with keys, got int 1"),
        ("[guidance.hodl]\nuntil = 1\n", r"mine\.toml: guidance\.hodl\.until: guidance schedule 'hodl': unknown; did you mean 'hold'\?"),
        ("[placement]\nchunks = 1\n", r"mine\.toml: placement\.chunks: expected 2 or 3 seconds of the exemplar \(one alone puts only half .*\), got int 1"),
        ("[placement]\nchunks = 4\n", r"placement\.chunks: expected 2 or 3 seconds .* got int 4"),
        ("[compat]\nanything = 1\n", r"compat\.anything: unknown key"),
        ('[generate]\nsteps = 3\n[plugins]\nonly = "x"\n', r"plugins\.only: expected list"),
        ("this is not toml", r"mine\.toml: not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_address(write: Any, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(write(text))
    assert caught.value.exit_code == 4 and "\n" not in str(caught.value)


@pytest.mark.parametrize("schema", ["", "schema = 2\n", 'schema = "1"\n'])
def test_another_schema_is_refused(write: Any, schema: str) -> None:
    with pytest.raises(ConfigError, match=r"schema.*expected 'schema = 1'"):
        load(write("[generate]\nsteps = 3\n", schema=schema))


def test_a_circle_of_parents_is_refused(write: Any) -> None:
    write('extends = "b"\n', "a.toml")
    write('extends = "c"\n', "b.toml")
    path = write('extends = "a"\n', "c.toml")
    with pytest.raises(ConfigError, match=r"c\.toml: extends itself \(.*c\.toml -> .*a\.toml -> .*b\.toml -> .*c\.toml\)"):
        load(path)


@pytest.mark.parametrize("extends", ['["default", "fast"]', "3"])
def test_one_parent_at_most(write: Any, extends: str) -> None:
    with pytest.raises(ConfigError, match=r"extends: expected str.*at most one parent"):
        load(write(f"extends = {extends}\n"))


def test_a_profile_may_extend_a_packaged_one_of_its_own_name(write: Any) -> None:
    assert load(write('extends = "fast"\n[generate]\nseed = 9\n', "fast.toml")).generate.steps == 8


@pytest.mark.parametrize(("name", "message"), [("defalt", "did you mean 'default'"), ("no/such.toml", "no such file"), ("missing.toml", "no such file")])
def test_a_profile_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(name)


@pytest.mark.parametrize("key", ["api_key", "openai_api_key", "OPENAI-API-KEY", "token", "access_token", "client_secret"])
def test_secrets_are_refused_and_not_repeated(write: Any, key: str) -> None:
    with pytest.raises(ConfigError, match="looks like a secret") as caught:
        load(write(f'[retriever.llm]\n"{key}" = "hunter2"\n'))
    assert "hunter2" not in str(caught.value)


def test_secrets_are_refused_by_their_look_and_on_every_road(write: Any) -> None:
    secret = "sk-" + "a1" * 20
    for attempt in (
        lambda: load(write(f'[generate]\nspeaker = "{secret}"\n')),
        lambda: load(environ={"RAGGESTURE_RETRIEVER__LLM__API_KEY": secret}),
        lambda: load(r=[f"api_key={secret}"]),
        lambda: load(speaker=secret),
    ):
        with pytest.raises(ConfigError, match="secret") as caught:
            attempt()
        assert secret not in str(caught.value)


def test_a_number_of_tokens_is_no_secret(write: Any) -> None:
    with pytest.raises(ConfigError, match="unknown key 'max_tokens_of_nothing'"):
        load(write("[retriever.none]\nmax_tokens_of_nothing = 3\n"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["until"], "no '='; expected -G key=value"),
        (["untill=1"], "-G untill: unknown key 'untill'; did you mean 'until'"),
        (["until=soon"], "-G until: expected float, got str 'soon'"),
        (["until=2"], "-G until: expected less than or equal to 1, got int 2"),
        (["rate=-0.5"], "-G rate: expected greater than or equal to 0, got float -0.5"),
    ],
)
def test_options_on_the_command_line_are_checked(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(g=options)


def test_plugins_table_limits_what_loads(write: Any) -> None:
    assert load(write('[plugins]\nonly = ["a"]\n')).parts is not None


@pytest.mark.parametrize(("text", "first"), [("3", 3), ("0.5", 0.5), ("true", True), ('["a"]', ["a"]), ("a,b", "a,b"), ('"3"', "3"), ("", "")])
def test_readings_of_a_text(text: str, first: Any) -> None:
    found = readings(text)
    assert found[0] == first and type(found[0]) is type(first) and text in found


def test_ways_to_inject_are_the_synthesizers() -> None:
    from typing import get_args

    from raggesture import config, synthesis

    assert get_args(config.Inject) == get_args(synthesis.Inject)


def test_config_needs_no_torch() -> None:
    code = "import sys, raggesture.config, raggesture.plugins.manager, raggesture.outputs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_parts_come_from_the_command_line_and_are_checked() -> None:
    found = load_settings(overrides=Overrides({}, placement={"parts": (["upper", "right-arm"], "--parts")}))
    assert found.placement.parts == ("upper", "right-arm") and found.origins["placement.parts"] == (["upper", "right-arm"], "command line --parts")
    with pytest.raises(ConfigError, match="--parts: expected 'upper', 'hands', 'face', 'lower', 'head', 'left-arm' or 'right-arm', got str 'arm'"):
        load_settings(overrides=Overrides({}, placement={"parts": (["arm"], "--parts")}))
    with pytest.raises(ConfigError, match="--parts: is empty; expected at least one"):
        load_settings(overrides=Overrides({}, placement={"parts": ([], "--parts")}))


def test_steps_are_the_sampler_s_own_unless_they_are_given(write: Any) -> None:
    assert (load().generate.sampler, load().generate.steps) == ("dpm++", 12)
    child = write('extends = "default"\n[generate]\nsampler = "ddim"\n')
    assert load(child).generate.steps == 50 and load(child).origins["generate.steps"] == (50, "default")
    assert load(child, environ={"RAGGESTURE_GENERATE__SAMPLER": "dpm++"}).generate.steps == 12
    assert load("fast", sampler="ddim").generate.steps == 8 == load(steps=8).generate.steps
    with pytest.raises(ConfigError, match=r"--sampler: expected 'dpm\+\+' or 'ddim', got str 'dpm'"):
        load(sampler="dpm")
    for name in ("paper", "released"):
        assert (load(name).generate.sampler, load(name).generate.steps) == ("ddim", 50)


def test_paper_and_released_say_what_they_do() -> None:
    paper, released = load_settings("paper"), load_settings("released")
    assert (paper.generate.guidance, paper.generate.inject, paper.generate.steps) == ("decreasing_till_25", "inversion+guidance", 50)
    assert paper.compat == Compat() and paper.placement.parts == ("upper", "hands") and paper.placement.ease == 0
    assert paper.schedule().rates(50)[25:] == (0.0,) * 25 and paper.schedule().rates(50)[0] == pytest.approx(1 - 0.8**24)
    assert set(released.schedule().rates(50)) == {1.0}, "whatever a schedule says, the published loop replaces"
    ours = {key for key, value in Compat().model_dump().items() if value == getattr(released.compat, key)}
    assert not ours, "every switch of [compat] is the published way"
    assert released.options[("retriever", "llm")].weighting == "released"
