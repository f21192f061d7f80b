"""Encoders of voice and words: what the denoiser is conditioned on."""
