"""The exact engine: tabular MDPs, their policy derivatives, estimators and the estimators' law."""

from tabular.mdp import TabularMDP

__all__ = ["TabularMDP"]
