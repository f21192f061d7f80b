"""Fixtures of the unit tests."""

from __future__ import annotations

from helpers_llm import llm_server

__all__ = ["llm_server"]
