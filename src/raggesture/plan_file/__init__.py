"""The plan as a file that a person edits: what it holds, reading and writing it, and what each of its gestures stands for."""
