"""Noise schedules, DDIM sampling and inversion, and guidance. Takes the denoiser as a callable; knows no model."""
