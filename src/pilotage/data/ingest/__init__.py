"""Bringing batches of rows in from files, databases, object stores and logs."""
