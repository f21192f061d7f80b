"""Plugins: what a part is, and how parts are found."""
