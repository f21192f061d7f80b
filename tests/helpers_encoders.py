"""wav2vec2 and BERT of the published classes, tiny and randomly initialised, as folders on disk."""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch

AUDIO_DIM = 24
TEXT_DIM = 16
WORDS = ("mountain", "huge", "there", "the", "and", "you", "idea", "do", "##n", "##s", "##ing", "rain", "it", "is", "we", "go", "home")


def tiny_wav2vec2(folder: Path, *, hidden: int = AUDIO_DIM, seed: int = 0, ctc: bool = True) -> Path:
    """All seven convolutions of base-960h, two narrow layers; saved with its CTC head, as the published file is."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=hidden, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, vocab_size=32,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        (Wav2Vec2ForCTC if ctc else Wav2Vec2Model)(config).save_pretrained(folder)
    return folder


def tiny_bert(folder: Path, *, hidden: int = TEXT_DIM, positions: int = 512, cased: bool = True, seed: int = 0) -> Path:
    """Five layers, a vocabulary of letters and a few words; saved with its masked-word head, as the published file is."""
    from transformers import BertConfig, BertForMaskedLM

    letters = [letter for pair in zip(string.ascii_letters, (f"##{c}" for c in string.ascii_letters), strict=True) for letter in pair]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.digits, *string.punctuation, *letters, *WORDS]
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=hidden, num_hidden_layers=5, num_attention_heads=2, intermediate_size=32, max_position_embeddings=positions
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertForMaskedLM(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": not cased, "model_max_length": positions}))
    return folder
