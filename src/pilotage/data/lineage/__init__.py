"""What was made of what: versions, runs, columns, rows, models, predictions."""
