"""Rankings from pairs: Bradley–Terry strengths, and the biases of those who compared."""
