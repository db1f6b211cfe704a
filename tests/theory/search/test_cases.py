"""All statements at once on generated cases, with realisable and with proved constants."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.theory.search.bounds import right_hand_sides, violations
from tests.theory.search.designs import random_tabular, random_toy
from tests.theory.search.strategies import tabular_cases, toys

#: A case of an MDP costs about 15 ms, a toy 5 ms.
EXAMPLES = 150
SHARDS, SHARD = 6, 400
RANDOM_SHARDS, RANDOM_SHARD = 20, 500

many = settings(suppress_health_check=list(HealthCheck), max_examples=SHARD)


@settings(suppress_health_check=list(HealthCheck), max_examples=EXAMPLES)
@given(tabular_cases())
def test_no_bound_of_an_mdp_is_violated(case):
    assert violations(case) == []


@settings(suppress_health_check=list(HealthCheck), max_examples=EXAMPLES)
@given(toys())
def test_no_bound_of_a_toy_is_violated(case):
    assert violations(case) == []


@pytest.mark.parametrize("draw", [random_tabular, random_toy])
def test_no_bound_of_a_random_case_is_violated(draw):
    rng = np.random.default_rng(0)
    for _ in range(60):
        assert violations(draw(rng)) == []


@pytest.mark.slow
@pytest.mark.parametrize("cases", [tabular_cases(), toys()], ids=["mdps", "toys"])
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_bound_is_violated_at_scale(shard, cases):
    @seed(shard)
    @many
    @given(cases)
    def search(case):
        assert violations(case) == []

    search()


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(RANDOM_SHARDS))
def test_no_bound_of_random_mdps_is_violated_at_scale(shard):
    """Random toys at scale are `test_mutants`' part."""
    rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(shard,)))
    wrong = [line for _ in range(RANDOM_SHARD) for line in violations(random_tabular(rng))]
    assert wrong == []


def test_right_hand_sides_are_those_of_the_checks():
    """The search for broken bounds starts from the true ones."""
    rng = np.random.default_rng(0)
    for draw in [random_tabular, random_toy] * 20:
        case = draw(rng)
        found = right_hand_sides(case, case.realisable)
        for name in ("first moment", "second moment"):
            check = case.met[f"Lemma 4.4, {name}"]
            assert found[check.name] == check.rhs
        for name in ("bias", "variance"):
            check = case.met[f"Theorem 4.5, {name}"]
            assert found[check.name] == pytest.approx(check.rhs, rel=1e-14, abs=0)
