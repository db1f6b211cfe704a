"""Statements of the theory as checks that return numbers."""

__all__: list[str] = []
