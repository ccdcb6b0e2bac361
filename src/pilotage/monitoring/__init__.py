"""Drift of data and drift of the model, told apart."""
