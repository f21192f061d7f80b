"""Listening: audio, transcripts, word times, prominence and discourse relations."""
