"""Broken theories: each has one constant, term or rate wrong, and the search has to notice."""

from dataclasses import fields, replace

from tests.theory.search.bounds import Theory
from tests.theory.search.case import Constants
from theory.constants import Lipschitz, Noise
from theory.recursions import Recursions

LIPSCHITZ = tuple(f.name for f in fields(Lipschitz) if f.name != "scope")
NOISE = tuple(f.name for f in fields(Noise) if f.name != "scope")
SIGMAS = tuple(name for name in NOISE if name.startswith("sigma"))


def halved(name: str) -> Theory:
    """One constant of Assumption 4.1 or 4.3, or ‖Z_0‖, taken half as large."""

    def change(lipschitz: Lipschitz, noise: Noise, _: int) -> Constants:
        if name in LIPSCHITZ:
            return replace(lipschitz, **{name: getattr(lipschitz, name) / 2}), noise
        return lipschitz, replace(noise, **{name: getattr(noise, name) / 2})

    return Theory(f"{name} halved", constants=change)


def squared(name: str) -> Theory:
    """σ² where the theory has σ < 1: the square root forgotten."""

    def change(lipschitz: Lipschitz, noise: Noise, _: int) -> Constants:
        sigma = getattr(noise, name)
        return lipschitz, replace(noise, **{name: min(sigma, sigma**2)})

    return Theory(f"{name} squared", constants=change)


def fast(name: str) -> Theory:
    """1/N in place of 1/√N."""

    def change(lipschitz: Lipschitz, noise: Noise, count: int) -> Constants:
        return lipschitz, replace(noise, **{name: getattr(noise, name) / count**0.5})

    return Theory(f"{name}/N", constants=change)


def dropped(term: str) -> Theory:
    """A term of the bias or a part of the variance left out."""
    return Theory(f"{term} dropped", dropped=(term,))


def without(name: str) -> Theory:
    """One of the recursions zero throughout."""

    def change(at: Recursions) -> Recursions:
        return replace(at, **{name: (0.0,) * len(at.s)})

    return Theory(f"without {name}", recursions=change)


def delayed(name: str) -> Theory:
    """One of the recursions a step behind: a sum over j < K − 1, or a^{K−1} for a^K."""

    def change(at: Recursions) -> Recursions:
        values = getattr(at, name)
        return replace(at, **{name: (values[0], *values[:-1])})

    return Theory(f"{name} of K − 1", recursions=change)


#: The terms of the bias and the parts of the variance.
TERMS = (
    "outer compositional",
    "estimation bias",
    "inner compositional",
    "coupling",
    "estimators",
    "path",
)
RECURSIONS = tuple(f.name for f in fields(Recursions))
MUTANTS = (
    *(halved(name) for name in (*LIPSCHITZ, *NOISE)),
    *(squared(name) for name in SIGMAS),
    *(fast(name) for name in SIGMAS),
    *(dropped(term) for term in TERMS),
    *(without(name) for name in RECURSIONS if name not in ("e", "z")),
    *(delayed(name) for name in RECURSIONS if name not in ("z",)),
)
