"""PyTorch studies beside the tabular truth: the only place that imports torch."""
