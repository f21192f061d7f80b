"""What can be written of a motion: one module per format."""
