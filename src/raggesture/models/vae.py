"""The published auto-encoder of one body part: 15 frames -> one latent, and all latents of a window -> its frames.

Every variant of the published settings is a setting here; parameters carry the published names. Satisfies ``codec.PartCodec``.
Source: METHOD part I (b) "Auto-encoder". Differs from the released code: ``encode`` returns the posterior's mean (there a sample, also at inference);
``posterior`` with noise gives the sample.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from raggesture.clock import CHUNK_FRAMES, WINDOW_FRAMES
from raggesture.errors import ModelError, did_you_mean
from raggesture.models.embeddings import PositionTable, sine_table
from raggesture.models.skip_transformer import DecoderLayer, EncoderLayer, SkipTransformer

POSITIONS = 1024
"""Places in each position table."""
_CHOICES = {
    "decoder_arch": ("encoder_decoder", "all_encoder"),
    "position_embedding": ("learned", "sine"),
    "vae_dist": ("normal", "multivariate_normal"),
}


@dataclass(frozen=True, slots=True)
class VaeConfig:
    """The published settings file, field by field (its ``test_ckpt`` is a file name and no setting)."""

    nfeats: int
    latent_dim: int = 512
    num_layers: int = 8
    num_heads: int = 4
    ff_size: int = 1024
    dropout: float = 0.1
    transformer_activation: str = "gelu"
    transformer_normalize_before: bool = False
    decoder_arch: Literal["encoder_decoder", "all_encoder"] = "encoder_decoder"
    position_embedding: Literal["learned", "sine"] = "learned"
    vae_dist: Literal["normal", "multivariate_normal"] = "normal"
    num_frames: int = WINDOW_FRAMES
    frame_chunk_size: int = CHUNK_FRAMES

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ModelError(f"vae.{name}: {getattr(self, name)!r}; {did_you_mean(str(getattr(self, name)), known)} - correct the codec's settings")
        if self.latent_dim % self.decoder_heads or self.latent_dim % self.num_heads:
            raise ModelError(f"vae.num_heads: {self.num_heads}; expected that {self.decoder_heads} heads of the decoder divide {self.latent_dim} - correct it")

    @property
    def decoder_heads(self) -> int:
        """Heads of the decoder: 4 times (encoder_decoder) or 8 times (all_encoder) those of the encoder."""
        return self.num_heads * (4 if self.decoder_arch == "encoder_decoder" else 8)

    @property
    def decoder_layers(self) -> int:
        """Layers of the decoder."""
        return 4 * (self.num_layers - 1) + 1 if self.decoder_arch == "encoder_decoder" else _odd(self.num_layers)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> VaeConfig:
        """Read what ``to_json`` wrote or a published settings file turned to JSON. Raises: ModelError."""
        try:
            values: dict[str, Any] = json.loads(text)
            values.pop("test_ckpt", None)
            known = {field.name for field in fields(cls)}
            unknown = sorted(set(values) - known)
            if unknown:
                raise ModelError(f"vae.{unknown[0]}: unknown setting; {did_you_mean(unknown[0], known)} - correct the codec's settings")
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ModelError(f"vae settings: {error}; expected JSON written by VaeConfig.to_json - install or copy the model again") from error


def _odd(n: int) -> int:
    return n + 1 if n % 2 == 0 else n


class TransformerVae(nn.Module):
    """Encoder per chunk, decoder over the window."""

    context_frames = 0
    """Frames the encoder wants on each side of what it encodes."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        width, pre = config.latent_dim, config.transformer_normalize_before
        rest = (config.ff_size, config.dropout, config.transformer_activation)
        self.query_pos_encoder = self._table()
        self.query_pos_decoder = self._table()
        self.mem_pos_decoder = self._table()
        self.encoder = SkipTransformer([EncoderLayer(width, config.num_heads, *rest, pre=pre) for _ in range(_odd(config.num_layers))], width)
        decoder_layer = DecoderLayer if config.decoder_arch == "encoder_decoder" else EncoderLayer
        self.decoder = SkipTransformer([decoder_layer(width, config.decoder_heads, *rest, pre=pre) for _ in range(config.decoder_layers)], width)
        for part in (self.encoder, self.decoder):
            for parameter in part.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)
        self.global_motion_token = nn.Parameter(torch.randn(2, width))
        self.skel_embedding = nn.Linear(config.nfeats, width)
        self.final_layer = nn.Linear(width, config.nfeats)

    def _table(self) -> PositionTable:
        width = self.config.latent_dim
        if self.config.position_embedding == "sine":
            return PositionTable(sine_table(POSITIONS, width), learned=False)
        return PositionTable(nn.init.uniform_(torch.empty(POSITIONS, width)), learned=True)

    def distribution(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, n) -> mean and raw scale of the posterior, each (B, F // 15, D)."""
        size = self.config.frame_chunk_size
        batch, frames, n = features.shape
        if frames % size or n != self.config.nfeats:
            raise ModelError(f"vae: features {tuple(features.shape)}; expected (B, a multiple of {size}, {self.config.nfeats}) - cut whole chunks")
        chunks = self.skel_embedding(features.reshape(-1, size, n))  # (B C, 15, D)
        x = torch.cat((self.global_motion_token.expand(chunks.shape[0], -1, -1), chunks), dim=1)  # (B C, 17, D)
        x = self.encoder(x + self.query_pos_encoder.pe[: x.shape[1], 0])[:, :2].reshape(batch, frames // size, 2, -1)
        return x[:, :, 0], x[:, :, 1]

    def posterior(self, features: Tensor, noise: Tensor) -> Tensor:
        """A sample of the posterior for ``noise`` (B, C, D) of N(0, 1): the released behaviour."""
        mean, raw = self.distribution(features)
        if self.config.vae_dist == "normal":
            return mean + (raw.exp() ** 0.5) * noise
        return mean + (nn.functional.softplus(raw) + 1e-8) * noise

    def encode(self, features: Tensor) -> Tensor:
        """(B, F, n) -> (B, F // 15, D), the posterior's mean."""
        return self.distribution(features)[0]

    def decode(self, latents: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Latents of a window (B, C, D) -> features (B, 15 C, n).

        ``lengths`` (B,): frames that exist in each sample; the others do not take part and come back as zeros.
        """
        batch, chunks, width = latents.shape
        frames = chunks * self.config.frame_chunk_size if lengths is None else int(lengths.max())
        padding = None if lengths is None else torch.arange(frames, device=latents.device) >= lengths[:, None]  # (B, F)
        queries = latents.new_zeros(batch, frames, width)
        if self.config.decoder_arch == "encoder_decoder":
            memory = latents + self.mem_pos_decoder.pe[:chunks, 0]
            y = self.decoder(queries + self.query_pos_decoder.pe[:frames, 0], memory=memory, padding=padding)
        else:
            x = torch.cat((latents, queries), dim=1)  # (B, C + F, D)
            ignored = None if padding is None else torch.cat((padding.new_zeros(batch, chunks), padding), dim=1)
            # The published position argument is the sequence plus its table: the content is added twice to queries and keys.
            y = self.decoder(x, position=x + self.query_pos_decoder.pe[: x.shape[1], 0], padding=ignored)[:, chunks:]
        out: Tensor = self.final_layer(y)
        return out if padding is None else out.masked_fill(padding[..., None], 0.0)
