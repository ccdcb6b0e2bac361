"""Routing live outputs."""
