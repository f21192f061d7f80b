"""wav2vec2 and BERT as the published model was trained with them: pooling, rates, where weights come from, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_encoders import AUDIO_DIM, TEXT_DIM, tiny_bert, tiny_wav2vec2
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.bert import BERT, BertEncoder, passages
from raggesture.encoders.pretrained import find_folder
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.encoders.wav2vec2 import WAV2VEC2, Wav2Vec2Encoder, normalised, vectors_of_samples
from raggesture.errors import InputError, ModelError
from raggesture.types import Transcript, Word


@pytest.fixture(scope="module")
def voice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_wav2vec2(tmp_path_factory.mktemp("voice") / "w2v")


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("text") / "bert")


@pytest.fixture(scope="module")
def wav2vec2(voice_folder: Path) -> Wav2Vec2Encoder:
    return Wav2Vec2Encoder(voice_folder)


@pytest.fixture(scope="module")
def bert(text_folder: Path) -> BertEncoder:
    return BertEncoder(text_folder)


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and nothing named in the environment."""
    cache = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    for published in (WAV2VEC2, BERT):
        monkeypatch.delenv(published.variable, raising=False)
    return cache


def said(text: str, start: float = 0.0) -> Transcript:
    return Transcript(tuple(Word(word, start + 0.5 * k, start + 0.5 * k + 0.4) for k, word in enumerate(text.split())))


def hum(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples) + 0.01).astype(np.float32)


# wav2vec2 -----------------------------------------------------------------------------------------------------------------


def test_wav2vec2_is_the_last_hidden_state_of_the_normalised_window(wav2vec2: Wav2Vec2Encoder, voice_folder: Path) -> None:
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    wave = hum(160_000)
    found = wav2vec2.encode(wave)
    assert found.shape == (499, AUDIO_DIM) and found.dtype == np.float32
    values = Wav2Vec2FeatureExtractor(do_normalize=True)(wave, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        wanted = Wav2Vec2Model.from_pretrained(voice_folder).eval()(values).last_hidden_state[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose(normalised(wave), values[0].numpy(), atol=1e-6)
    assert np.abs(wav2vec2.encode(np.asarray(0.3 * wave + 0.2, np.float32)) - found).max() < 1e-3  # loudness and offset are normalised away


@pytest.mark.parametrize(("samples", "vectors"), [(160_000, 499), (400, 1), (719, 1), (720, 2), (16_000, 49), (240_000, 749)])
def test_wav2vec2_number_of_vectors(wav2vec2: Wav2Vec2Encoder, samples: int, vectors: int) -> None:
    assert wav2vec2.encode(hum(samples)).shape == (vectors, AUDIO_DIM)
    assert vectors_of_samples(samples) == vectors
    assert wav2vec2.rate_hz == 50 and wav2vec2.per_window and wav2vec2.dim == AUDIO_DIM


def test_wav2vec2_knows_its_window_and_nothing_else(wav2vec2: Wav2Vec2Encoder) -> None:
    """The same samples in another window get other vectors: features cannot be stored per clip."""
    wave = hum(320_000)
    first, later = wav2vec2.encode(wave[:160_000]), wav2vec2.encode(wave[16_000:176_000])
    assert np.abs(first[50:] - later[: 499 - 50]).max() > 1e-3
    np.testing.assert_array_equal(first, wav2vec2.encode(wave[:160_000].copy()))


def test_wav2vec2_windows_at_once_are_the_same(wav2vec2: Wav2Vec2Encoder) -> None:
    waves = np.stack([hum(4000, seed) for seed in range(11)])
    together = wav2vec2.encode_batch(waves)
    np.testing.assert_allclose(together, np.stack([wav2vec2.encode(wave) for wave in waves]), atol=1e-5)
    assert wav2vec2.encode_batch(waves[:0]).shape == (0, 12, AUDIO_DIM)
    with pytest.raises(InputError, match=r"expected \(B, N\)"):
        wav2vec2.encode_batch(waves[0])


def test_wav2vec2_silence_is_finite(wav2vec2: Wav2Vec2Encoder) -> None:
    assert np.isfinite(wav2vec2.encode(np.zeros(160_000, np.float32))).all()


@pytest.mark.parametrize("wave", [np.zeros(399, np.float32), np.zeros(0, np.float32)])
def test_wav2vec2_refuses_less_than_one_vector(wav2vec2: Wav2Vec2Encoder, wave: np.ndarray) -> None:
    with pytest.raises(InputError, match=rf"wave: {len(wave)} samples; expected at least 400 \(25 ms\)"):
        wav2vec2.encode(wave)


@pytest.mark.parametrize("wave", [np.zeros((2, 1000), np.float32), np.array([0.0, np.nan] * 400, np.float32)])
def test_wav2vec2_refuses_what_is_no_wave(wav2vec2: Wav2Vec2Encoder, wave: np.ndarray) -> None:
    with pytest.raises(InputError, match="finite samples at 16 kHz"):
        wav2vec2.encode(wave)


# BERT ---------------------------------------------------------------------------------------------------------------------


def published_sum(folder: Path, text: str) -> tuple[np.ndarray, list[int | None]]:
    """The published recipe, written out: the sum of the last four hidden states, and the word of each token."""
    from transformers import BertModel, BertTokenizer

    encoded = BertTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    owners: list[int | None] = []
    spans = [(0, 0) if span is None else (span.start, span.end) for span in (encoded.token_to_chars(k) for k in range(encoded.input_ids.shape[1]))]
    owners = [None if start == end else text[:start].count(" ") for start, end in spans]
    with torch.no_grad():
        states = BertModel.from_pretrained(folder).eval()(**encoded, output_hidden_states=True).hidden_states
    assert len(states) == 6
    return (states[-1] + states[-2] + states[-3] + states[-4])[0].numpy(), owners


def test_bert_word_is_the_mean_over_its_pieces_punctuation_included(bert: BertEncoder, text_folder: Path) -> None:
    words = Transcript((Word("We", 0.0, 0.2), Word("don't", 0.2, 0.5, ","), Word("go", 0.5, 0.8), Word("mountains", 0.9, 1.4, "...")))
    summed, owners = published_sum(text_folder, "We don't, go mountains...")
    assert owners == [None, 0, 0, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, None]  # W ##e | do ##n ' t , | go | mountain ##s . . .
    found = bert.words(words)
    assert found.shape == (4, TEXT_DIM) and found.dtype == np.float32 and bert.dim == TEXT_DIM and bert.per_window
    for k in range(4):
        np.testing.assert_allclose(found[k], summed[[owner == k for owner in owners]].mean(0), atol=1e-5)
    np.testing.assert_allclose(bert.tokens("We don't, go mountains..."), summed, atol=1e-5)


def test_bert_words_know_their_context_and_case(bert: BertEncoder) -> None:
    alone, among = bert.words(said("huge"))[0], bert.words(said("the huge mountain"))[1]
    assert np.abs(alone - among).max() > 1e-2
    assert np.abs(bert.words(said("Huge"))[0] - alone).max() > 1e-2


def test_bert_odd_words(bert: BertEncoder) -> None:
    """Characters the vocabulary lacks are one unknown piece; of a control character nothing is left."""
    found = bert.words(Transcript((Word("山", 0, 1), Word("\x00", 1, 2), Word("", 2, 3), Word("...", 3, 4), Word("naïve", 4, 5), Word("go", 5, 6))))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_array_equal(found[2], 0)
    assert (np.abs(found[[0, 3, 4, 5]]).max(axis=1) > 0.1).all()


def test_bert_of_nothing(bert: BertEncoder) -> None:
    assert bert.words(Transcript(())).shape == (0, TEXT_DIM) and bert.sentences([]).shape == (0, TEXT_DIM)
    np.testing.assert_array_equal(bert.sentences([""]), 0)
    assert bert.tokens("").shape == (2, TEXT_DIM)  # [CLS] and [SEP]


def test_bert_reads_what_is_longer_than_it_takes_in_passages(tmp_path: Path) -> None:
    """Cut at the pauses: each passage has the vectors it would have alone."""
    small = BertEncoder(tiny_bert(tmp_path / "bert", positions=16))
    first, second = said("we go home and it is the huge mountain there"), said("you do go there and the idea is rain", 9.0)
    whole = small.words(Transcript(first.words + second.words))
    np.testing.assert_allclose(whole, np.concatenate([small.words(first), small.words(second)]), atol=1e-5)
    endless = small.words(Transcript((Word("Q" * 60, 0.0, 1.0), Word("go", 1.0, 2.0))))  # one word that is longer than BERT takes
    assert endless.shape == (2, TEXT_DIM) and (np.abs(endless).max(axis=1) > 0).all()
    assert small.tokens("go " * 60).shape == (16, TEXT_DIM)


def test_passages_are_a_partition_within_the_limit() -> None:
    rng = np.random.default_rng(3)
    for count in (0, 1, 2, 3, 7, 200, 1500):
        starts = np.sort(rng.uniform(0, 500, count))
        words = [Word("w", float(s), float(s)) for s in starts]
        pieces = rng.integers(1, 9, count).tolist()
        parts = passages(words, pieces, 40)
        assert [k for part in parts for k in range(part.start, part.stop)] == list(range(count))
        assert all(sum(pieces[part]) <= 40 for part in parts)


def test_bert_sentences_are_unit_means_without_the_special_tokens(bert: BertEncoder, text_folder: Path) -> None:
    texts = ["the huge mountain", "go", "it is raining there and you do"]
    found = bert.sentences(texts)
    for k, text in enumerate(texts):
        summed, _ = published_sum(text_folder, text)
        mean = summed[1:-1].mean(0)
        np.testing.assert_allclose(found[k], mean / np.linalg.norm(mean), atol=1e-5)


# where weights come from ---------------------------------------------------------------------------------------------------


def test_the_registry_makes_them_without_looking_for_weights(no_weights: Path) -> None:
    assert isinstance(audio_encoder("wav2vec2"), Wav2Vec2Encoder) and isinstance(text_encoder("bert"), BertEncoder)


def test_protocols(wav2vec2: Wav2Vec2Encoder, bert: BertEncoder) -> None:
    assert isinstance(wav2vec2, AudioEncoder) and isinstance(bert, TextEncoder)


def test_without_weights_the_error_names_the_command(no_weights: Path) -> None:
    with pytest.raises(ModelError, match=r"run 'hf download facebook/wav2vec2-base-960h config\.json model\.safetensors'") as voice:
        Wav2Vec2Encoder().encode(hum(1000))
    with pytest.raises(ModelError, match=r"run 'hf download google-bert/bert-base-cased config\.json vocab\.txt .*RAGGESTURE_ENCODERS__BERT"):
        _ = BertEncoder().dim
    assert voice.value.exit_code == 5 and not no_weights.exists()


@pytest.mark.parametrize("repository", BERT.repositories)
def test_weights_from_the_hub_cache(no_weights: Path, text_folder: Path, bert: BertEncoder, repository: str) -> None:
    """A cache as the hub's client lays it out, under the model's new or old name; no network is asked."""
    place = no_weights / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0123abcd")
    shutil.copytree(text_folder, place / "snapshots" / "0123abcd")
    cached = BertEncoder()
    assert cached.folder == place / "snapshots" / "0123abcd"
    np.testing.assert_array_equal(cached.words(said("the huge idea")), bert.words(said("the huge idea")))


def test_a_named_folder_goes_before_the_environment_before_the_cache(no_weights: Path, voice_folder: Path, tmp_path: Path) -> None:
    other = tiny_wav2vec2(tmp_path / "other", seed=1, ctc=False)
    environ = {WAV2VEC2.variable: str(other)}
    assert find_folder(WAV2VEC2, None, environ) == other
    assert find_folder(WAV2VEC2, voice_folder, environ) == voice_folder
    with pytest.raises(ModelError, match="nowhere: no such folder; expected the folder of facebook/wav2vec2-base-960h"):
        find_folder(WAV2VEC2, tmp_path / "nowhere", {})


def test_loading_leaves_the_random_state_alone(voice_folder: Path, text_folder: Path) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    Wav2Vec2Encoder(voice_folder).encode(hum(1000))
    BertEncoder(text_folder).words(said("go"))
    assert torch.equal(before, torch.random.get_rng_state())


# what is refused -----------------------------------------------------------------------------------------------------------


def test_folders_that_are_something_else(tmp_path: Path, voice_folder: Path, text_folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"empty: no config\.json in it"):
        _ = BertEncoder(empty).dim
    with pytest.raises(ModelError, match="a model of type 'wav2vec2'; expected 'bert'"):
        BertEncoder(voice_folder).words(said("go"))
    with pytest.raises(ModelError, match="a model of type 'bert'; expected 'wav2vec2'"):
        Wav2Vec2Encoder(text_folder).encode(hum(1000))
    (empty / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: cannot be read .*hf download"):
        _ = BertEncoder(empty).dim
    (empty / "config.json").write_text('["bert"]')
    with pytest.raises(ModelError, match="a model of type None"):
        _ = BertEncoder(empty).dim


def test_folders_that_are_not_whole(tmp_path: Path, text_folder: Path) -> None:
    part = shutil.copytree(text_folder, tmp_path / "part")
    (part / "model.safetensors").unlink()
    (part / "vocab.txt").unlink()
    with pytest.raises(ModelError, match=r"part: no vocab\.txt nor model\.safetensors; expected the whole of"):
        _ = BertEncoder(part).dim


def test_half_a_file(tmp_path: Path, voice_folder: Path) -> None:
    torn = shutil.copytree(voice_folder, tmp_path / "torn")
    data = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"torn: its weights cannot be loaded \(.*hf download facebook/wav2vec2-base-960h"):
        Wav2Vec2Encoder(torn).encode(hum(1000))


def test_weights_of_another_size_or_without_a_layer(tmp_path: Path, voice_folder: Path, text_folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    wide = shutil.copytree(voice_folder, tmp_path / "wide")
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(ModelError, match=r"wide: its weights (lack|cannot be loaded)"):
        Wav2Vec2Encoder(wide).encode(hum(1000))
    poor = shutil.copytree(text_folder, tmp_path / "poor")
    tensors = load_file(poor / "model.safetensors")
    kept = {key: value for key, value in tensors.items() if "encoder.layer.3." not in key}
    assert len(kept) < len(tensors)
    save_file(kept, poor / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"poor: its weights lack encoder\.layer\.3\..* \(and 15 more\)"):
        BertEncoder(poor).words(said("go"))


def test_an_uncased_bert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="its tokenizer lowers capitals; expected the cased BERT, google-bert/bert-base-cased"):
        BertEncoder(tiny_bert(tmp_path / "uncased", cased=False)).words(said("go"))


def test_a_pickle_with_code_is_not_run(tmp_path: Path, voice_folder: Path) -> None:
    hostile = shutil.copytree(voice_folder, tmp_path / "hostile")
    (hostile / "model.safetensors").unlink()
    witness = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (witness,)

    torch.save({"weight": Bomb()}, hostile / "pytorch_model.bin")
    with pytest.raises(ModelError, match="hostile: its weights cannot be loaded"):
        Wav2Vec2Encoder(hostile).encode(hum(1000))
    assert not witness.exists()


OLD_NAMES = {
    "LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta",
    "parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v",
}  # fmt: skip
"""As parameters are called in the files on the hub, which are older than the classes that read them."""


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_by_their_old_names(tmp_path: Path, voice_folder: Path, text_folder: Path, wav2vec2: Wav2Vec2Encoder, bert: BertEncoder, kind: str) -> None:
    from safetensors.torch import load_file, save_file

    for folder in (voice_folder, text_folder):
        old = shutil.copytree(folder, tmp_path / folder.name)
        tensors = load_file(old / "model.safetensors")
        renamed = {}
        for key, value in tensors.items():
            for new, name in OLD_NAMES.items():
                key = key.replace(new, name)
            renamed[key] = value
        assert set(renamed) != set(tensors)
        if kind == "bin":
            (old / "model.safetensors").unlink()
            torch.save(renamed, old / "pytorch_model.bin")
        else:
            save_file(renamed, old / "model.safetensors")
    np.testing.assert_array_equal(Wav2Vec2Encoder(tmp_path / voice_folder.name).encode(hum(2000)), wav2vec2.encode(hum(2000)))
    np.testing.assert_array_equal(BertEncoder(tmp_path / text_folder.name).words(said("the idea")), bert.words(said("the idea")))
