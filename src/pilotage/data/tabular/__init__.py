"""Typed tables as immutable versions, in Lance."""
