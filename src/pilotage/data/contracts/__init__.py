"""What a table's source promises: schema, units, levels, keys and the two times; and what a change of that promise means."""
