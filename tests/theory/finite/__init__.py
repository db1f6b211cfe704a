"""Tests of finite problems."""
