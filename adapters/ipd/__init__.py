"""The iterated prisoner's dilemma in PyTorch: LOLA-DiCE beside its exact meta-gradient."""
