"""Plain takes as BVH, gestures as their maker says them, and a copy of an index with more in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers_animation import Shown
from helpers_bvh import A_POSE, MIXAMO, Look, gesturing, write_like
from helpers_library import humming, make_corpus, make_plain
from raggesture.body.joints import JOINTS_OF_PART
from raggesture.corpus.faults import Sieve, Skipped
from raggesture.corpus.take_labels import read_take_labels
from raggesture.corpus.takes import find_takes, read_take
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError, InputError, UsageError
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.motion import Motion, write_npz
from raggesture.retrieval.copying import copy_with
from raggesture.retrieval.index import Index
from raggesture.retrieval.update import Choice, add_corpus, build_corpus
from raggesture.retrieval.verify import verify_index
from raggesture.types import Transcript, Word

SAID = Transcript((Word("So", 0.5, 0.8), Word("huge", 1.0, 1.4, ","), Word("it's", 1.5, 1.7), Word("huge", 2.5, 2.9, "."), Word("Wide", 3.0, 3.3)))
WORDS = '{"words": [{"word": "a", "start": 0.5, "end": 0.7}, {"word": "huge", "start": 1.2, "end": 1.7}, {"word": "idea", "start": 2.0, "end": 2.4}]}'
LABEL = '[[gesture]]\nword = "huge"\nkind = "iconic"\nname = "wide_arms"\n'


def make_bvh_take(folder: Path, name: str, look: Look | None = None, motion: Motion | None = None, labels: str = "") -> Path:
    """A take of three seconds with its words; ``look`` None: our own BVH."""
    folder.mkdir(parents=True, exist_ok=True)
    motion = gesturing(3.0) if motion is None else motion
    if look is None:
        BvhExporter(BvhOptions()).write(Shown(name, motion), folder / f"{name}.bvh")
    else:
        write_like(folder / f"{name}.bvh", motion, look)
    soundfile.write(folder / f"{name}.wav", humming(motion.duration_s), 16000)
    (folder / f"{name}.json").write_text(WORDS, encoding="utf-8")
    if labels:
        (folder / f"{name}.gestures.toml").write_text(labels, encoding="utf-8")
    return folder


def encoders() -> tuple:  # type: ignore[type-arg]
    return text_encoder("minilm"), audio_encoder("prosody")


def labelled(folder: Path, text: str, sieve: Sieve | None = None) -> list[tuple]:  # type: ignore[type-arg]
    (folder / "a.gestures.toml").write_text(text, encoding="utf-8")
    found = read_take_labels(folder / "a.gestures.toml", SAID, 4.0, sieve or Sieve(strict=True))
    return [(each.word, each.kind, each.gesture, round(each.start, 3), round(each.end, 3), each.stroke) for each in found]


def test_a_bvh_take_is_the_take_that_its_npz_would_be(tmp_path: Path) -> None:
    motion = gesturing(3.0)
    make_bvh_take(tmp_path / "bvh" / "mia", "big", Look(rest=A_POSE, unit=90.0), motion)
    make_bvh_take(tmp_path / "npz" / "mia", "big", motion=motion)
    (tmp_path / "npz" / "mia" / "big.bvh").unlink()
    write_npz(motion, tmp_path / "npz" / "mia" / "big.npz")
    (mine,), (wanted,) = (find_takes(tmp_path / kind) for kind in ("bvh", "npz"))
    assert (mine.name, mine.speaker, mine.motion) == ("big", "mia", tmp_path / "bvh" / "mia" / "big.bvh")
    one, other = read_take(mine), read_take(wanted)
    assert one.motion.fps == 15.0 and one.motion.frames == other.motion.frames == 45
    apart = np.abs(one.motion.rotations - other.motion.rotations)[:, JOINTS_OF_PART["hands"]]
    assert apart.max() < 0.01
    assert one.derived == other.derived == ("relations", "prominence", "labels")


def test_an_npz_beside_its_bvh_is_the_motion(tmp_path: Path) -> None:
    make_bvh_take(tmp_path, "big", Look())
    write_npz(gesturing(3.0), tmp_path / "big.npz")
    (take,) = find_takes(tmp_path)
    assert take.motion == tmp_path / "big.npz"


def test_capitals_and_files_that_lack_something(tmp_path: Path) -> None:
    make_bvh_take(tmp_path, "big", Look())
    (tmp_path / "big.bvh").rename(tmp_path / "big.BVH")
    (tmp_path / "alone.bvh").write_text("HIERARCHY")
    (tmp_path / "voice.wav").write_bytes(b"")
    takes = {take.name: take for take in find_takes(tmp_path)}
    assert read_take(takes["big"]).motion.frames == 45
    with pytest.raises(InputError, match=r"alone\.bvh: motion without audio; expected alone\.wav"):
        read_take(takes["alone"])
    with pytest.raises(InputError, match=r"voice\.wav: audio without motion; expected voice\.npz or voice\.bvh"):
        read_take(takes["voice"])


@pytest.mark.parametrize("still", ["no fingers", "fingers at rest", "a fist"])
def test_hands_that_nobody_moves_are_said_to_be_so_and_refused_only_in_an_npz(tmp_path: Path, still: str) -> None:
    names = {name: theirs for name, theirs in MIXAMO.items() if "Hand" not in theirs or theirs.endswith("Hand")} if still == "no fingers" else MIXAMO
    rotations = np.array(gesturing(3.0).rotations)
    rotations[:, 25:] = 0.6 if still == "a fist" else 0.0
    motion = Motion(rotations, gesturing(3.0).translation, gesturing(3.0).expression)
    corpus = make_bvh_take(tmp_path / "takes", "big", Look(names=names), motion)
    report = build_corpus(corpus, tmp_path / "i", encoders())
    assert report.clips == ("big",) and report.left_out == ()
    index = Index.open(tmp_path / "i")
    assert all("hands" in exemplar.derived for exemplar in index.exemplars)
    assert dict(index.info().derived)["hands"] == 1.0
    write_npz(motion, corpus / "big.npz")
    with pytest.raises(InputError, match="flat hands"):
        build_corpus(corpus, tmp_path / "j", encoders())


def test_a_bvh_that_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    corpus = make_bvh_take(tmp_path / "takes", "big", Look())
    make_bvh_take(corpus, "cut", Look())
    text = (corpus / "cut.bvh").read_text(encoding="utf-8")
    (corpus / "cut.bvh").write_text(text[: len(text) // 2], encoding="utf-8")
    make_bvh_take(corpus, "odd", Look(names={name: f"bone{k}" for k, name in enumerate(MIXAMO)}))
    report = build_corpus(corpus, tmp_path / "i", encoders())
    reasons = {each.clip: each.reason for each in report.left_out}
    assert report.clips == ("big",) and set(reasons) == {"cut", "odd"}
    assert "cut.bvh: line " in reasons["cut"] and "fit no skeleton that is known" in reasons["odd"]


def test_a_table_of_joints_is_part_of_what_a_take_was_made_from(tmp_path: Path) -> None:
    names = {name: f"x_{theirs}" if "ForeArm" in theirs else theirs for name, theirs in MIXAMO.items()}
    corpus = make_bvh_take(tmp_path / "takes", "big", Look(names=names, prefix=""))
    with pytest.raises(InputError, match="lacks left_elbow"):
        build_corpus(corpus, tmp_path / "i", encoders())
    table = tmp_path / "mine.toml"
    table.write_text('like = "mixamo"\n[joints]\nelbow = "x_*ForeArm"\n', encoding="utf-8")
    assert build_corpus(corpus, tmp_path / "i", encoders(), Choice(skeleton=str(table))).clips == ("big",)
    (take,) = find_takes(corpus, str(table))
    assert table in take.files and find_takes(corpus)[0].files == tuple(path for path in take.files if path != table)
    with pytest.raises(ConfigError, match="did you mean 'mixamo'"):
        build_corpus(corpus, tmp_path / "j", encoders(), Choice(skeleton="mixamoo"))
    assert not (tmp_path / "j").exists()


def test_labels_of_a_take_go_into_the_index_as_they_are(tmp_path: Path) -> None:
    corpus = make_bvh_take(tmp_path / "takes", "big", Look(), labels=LABEL + "stroke = 1.55\n")
    make_bvh_take(corpus, "other", Look(), labels="")
    build_corpus(corpus, tmp_path / "i", encoders())
    index = Index.open(tmp_path / "i")
    mine = [exemplar for exemplar in index.exemplars if exemplar.clip == "big" and exemplar.kind == "iconic"]
    assert [(each.word, each.gesture, each.stroke, round(each.start, 6), each.end) for each in mine] == [("huge", "wide_arms", 1.55, 0.9, 1.9)]
    assert mine[0].derived == "prominence"
    assert dict(index.info().gestures) == {"wide_arms": 1}
    assert any("labels" in exemplar.derived for exemplar in index.exemplars if exemplar.clip == "other")


def test_a_gesture_of_a_take_that_cannot_be_used_costs_itself(tmp_path: Path) -> None:
    bad = '[[gesture]]\nword = "tiny"\nkind = "iconic"\n'
    corpus = make_bvh_take(tmp_path / "takes", "big", Look(), labels=bad + LABEL)
    report = build_corpus(corpus, tmp_path / "i", encoders())
    assert report.clips == ("big",)
    (left,) = report.left_out
    assert not left.whole and "big.gestures.toml: gesture 1: nobody says 'tiny' (the words are: a huge idea)" in left.reason
    with pytest.raises(InputError, match="gesture 1"):
        build_corpus(corpus, tmp_path / "j", encoders(), Choice(strict=True))


def test_where_a_gesture_lies(tmp_path: Path) -> None:
    assert labelled(tmp_path, "") == []
    assert labelled(tmp_path, '[[gesture]]\nword = "SO"\nkind = "beat"\n') == [("SO", "beat", "", 0.2, 1.0, None)]
    assert labelled(tmp_path, '[[gesture]]\nword = "its huge"\nkind = "iconic"\n') == [("its huge", "iconic", "", 1.2, 3.1, None)]
    # said twice: the stroke says which
    assert labelled(tmp_path, LABEL + "stroke = 2.4\n") == [("huge", "iconic", "wide_arms", 2.2, 3.1, 2.4)]
    assert labelled(tmp_path, LABEL + "start = 0.0\nend = 4\n") == [("huge", "iconic", "wide_arms", 0.0, 4.0, None)]
    # a word that nobody says: round the stroke, inside the take
    assert labelled(tmp_path, '[[gesture]]\nword = "hm"\nkind = "deictic"\nstroke = 3.8\n') == [("hm", "deictic", "", 3.3, 4.0, 3.8)]
    two = labelled(tmp_path, '[[gesture]]\nword = "wide"\nkind = "iconic"\n[[gesture]]\nword = "so"\nkind = "beat"\n')
    assert [each[0] for each in two] == ["so", "wide"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[gesture]]\nwrod = "huge"\nkind = "iconic"\n', "gesture 1: unknown key 'wrod'; did you mean 'word'?"),
        ('[[gesture]]\nword = "so"\n', "gesture 1: kind = ''; expected one of beat, deictic, iconic, metaphoric"),
        ('[[gesture]]\nword = "so"\nkind = "icon"\n', "gesture 1: kind = 'icon'; expected one of"),
        ('[[gesture]]\nword = 3\nkind = "beat"\n', "gesture 1: word = 3; expected text"),
        ('[[gesture]]\nword = "so"\nkind = "beat"\nstroke = "1"\n', "gesture 1: stroke = '1'; expected seconds of the take, 0 to 4.00"),
        ('[[gesture]]\nword = "so"\nkind = "beat"\nstroke = true\n', "gesture 1: stroke = True; expected seconds"),
        ('[[gesture]]\nword = "so"\nkind = "beat"\nstroke = nan\n', "gesture 1: stroke = nan; expected seconds"),
        ('[[gesture]]\nword = "so"\nkind = "beat"\nstroke = 4.1\n', "gesture 1: stroke = 4.1; expected seconds"),
        ('[[gesture]]\nword = "so"\nkind = "beat"\nstart = 1\n', "gesture 1: start without end"),
        ('[[gesture]]\nword = "so"\nkind = "beat"\nstart = 2\nend = 1\n', "gesture 1: from 2.00 s to 1.00 s; expected a stretch of the take's 4.00 s"),
        ('[[gesture]]\nword = "tiny"\nkind = "beat"\n', "gesture 1: nobody says 'tiny' (the words are: So huge it's huge Wide); expected"),
        ('[[gesture]]\nkind = "beat"\n', "gesture 1: nobody says ''"),
        (LABEL, "gesture 1: 'huge' is said 2 times; expected stroke = SECONDS to tell them apart - correct it"),
        ("[gesture]\n", "'gesture' is no list of tables; expected [[gesture]] with word and kind"),
        ("[[gestures]]\n", "'gestures' is no list of tables"),
        ("[[gesture\n", "cannot be read as TOML"),
    ],
)
def test_labels_that_break_the_form(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as found:
        labelled(tmp_path, text)
    assert str(found.value).startswith(f"{tmp_path / 'a.gestures.toml'}: {said}")
    rows: list[Skipped] = []
    if said.startswith("gesture 1"):
        assert labelled(tmp_path, text + '[[gesture]]\nword = "so"\nkind = "beat"\n', Sieve(report=rows.append)) != []
        assert [row.row for row in rows] == [1]


def test_a_copy_of_an_index_with_more_in_it(tmp_path: Path) -> None:
    build_corpus(make_corpus(tmp_path / "c"), tmp_path / "first", encoders(), licence="CC0")
    before = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir() if path.name != "lock"}
    mine = make_plain(tmp_path / "mine", "hello")
    report = copy_with(tmp_path / "first", tmp_path / "both", mine, encoders(), licence="mine")
    assert report.clips == ("hello",)
    assert {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir() if path.name != "lock"} == before
    first, both = Index.open(tmp_path / "first"), Index.open(tmp_path / "both")
    assert both.manifest.clips == first.manifest.clips + 1 and both.manifest.name == "both" and both.manifest.licence == "CC0; mine"
    assert verify_index(tmp_path / "both").faults == ()
    add_corpus(tmp_path / "first", mine, encoders(), licence="mine")
    assert [each.clip for each in Index.open(tmp_path / "first").exemplars] == [each.clip for each in both.exemplars]
    with pytest.raises(UsageError, match="holds an index already"):
        copy_with(tmp_path / "first", tmp_path / "both", mine, encoders())
    shutil.rmtree(tmp_path / "first")
    assert copy_with(tmp_path / "both", tmp_path / "third", make_plain(tmp_path / "more", "again"), encoders()).clips == ("again",)
    assert copy_with(tmp_path / "both", tmp_path / "third", make_plain(tmp_path / "other", "other"), encoders(), force=True).clips == ("other",)
    assert "again" not in {each.clip for each in Index.open(tmp_path / "third").exemplars}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both", "c", "mine", "more", "other", "third"]


def test_a_copy_with_nothing_to_add_leaves_nothing(tmp_path: Path) -> None:
    build_corpus(make_corpus(tmp_path / "c"), tmp_path / "first", encoders())
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match="no clips to index"):
        copy_with(tmp_path / "first", tmp_path / "both", tmp_path / "empty", encoders())
    assert not (tmp_path / "both").exists() and not (tmp_path / "both.copy").exists()
