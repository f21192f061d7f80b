"""The networks: denoiser, part codecs, and the files they are kept in."""
