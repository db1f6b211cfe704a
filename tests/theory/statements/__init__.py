"""Tests of the statements."""
