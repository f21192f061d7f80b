"""Indexes of exemplars, retrievers that ask them, and placement of what is found."""
