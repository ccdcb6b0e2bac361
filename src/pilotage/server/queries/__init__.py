"""What the pages and the API show: questions to the tables, one module a noun. Nothing here writes."""
