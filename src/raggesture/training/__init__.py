"""Training: arrays of a corpus, the part codecs, the denoiser."""
