"""The studies in PyTorch as experiments: data, pictures and claims; `adapters` computes."""
