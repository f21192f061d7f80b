"""The film: what it is made of, one module per part; ``raggesture.export.mp4`` puts them together."""
