"""Plugins that are wrong, one way each: a test fixture."""
