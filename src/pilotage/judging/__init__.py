"""The judging room."""
