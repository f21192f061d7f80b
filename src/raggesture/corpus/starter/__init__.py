"""The starter corpus: authored gestures over synthetic voices, written in the layout of BEAT2."""
