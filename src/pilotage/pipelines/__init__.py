"""Unattended pipelines: sources to a better model, held where a gate fails."""
