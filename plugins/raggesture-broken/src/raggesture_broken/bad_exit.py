"""Leaves the program on import."""

import sys

sys.exit("no licence found")
