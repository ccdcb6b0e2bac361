"""The redteam room."""
