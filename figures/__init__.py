"""Experiments as data, and pictures of them."""

__all__: list[str] = []
