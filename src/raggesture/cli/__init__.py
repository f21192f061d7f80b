"""The command line: one module per command, nothing heavy at import."""
