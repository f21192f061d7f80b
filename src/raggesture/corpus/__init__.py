"""Gesture corpora: the reader of BEAT2 layout folders and the authored starter corpus."""
