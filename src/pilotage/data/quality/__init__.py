"""Quality gates: every check of a contract in one select."""
