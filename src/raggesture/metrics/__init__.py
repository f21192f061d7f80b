"""Measures of motion, each a pure function, and the report of ``raggesture eval``."""
