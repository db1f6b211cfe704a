"""The pictures of the experiments, drawn from their stored numbers."""
