"""Fixtures of the plugin tests."""

from __future__ import annotations

from plugin_projects import installed

__all__ = ["installed"]
