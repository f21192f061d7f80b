"""Fails on import."""

raise ImportError("this module needs a library that nobody has")
