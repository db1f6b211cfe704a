"""What a bound's two sides say."""

import json
import math
from functools import partial

import pytest

from theory.bounds import STANDARD_ERRORS, BoundCheck

proved = partial(BoundCheck, obtained="enumeration", scope="every θ")


def test_two_sides():
    check = proved("Lemma", 1.0, 4.0, {"(i)": 3.0, "(ii)": 1.0})
    assert (check.slack, check.ratio, check.holds, check.certified) == (3.0, 0.25, True, True)
    assert not proved("Lemma", 4.0, 1.0).holds
    assert proved("Lemma", 1.0, 1.0).holds


def test_rounding_and_sampling_are_allowed_for():
    sampled = proved("Lemma", 1.0, 0.0, obtained="sampling", standard_error=0.1, rounding=0.25)
    assert sampled.allowance == STANDARD_ERRORS * 0.1 + 0.25
    assert not sampled.holds
    assert proved("Lemma", 0.75, 0.0, standard_error=0.1, rounding=0.25).holds


def test_an_equality_has_no_ratio():
    assert proved("Proposition", 1e-16, 0.0, rounding=1e-15).ratio == 0.0
    assert proved("Proposition", 1e-14, 0.0, rounding=1e-15).ratio == math.inf


@pytest.mark.parametrize("sides", [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0)])
def test_what_is_no_number_does_not_hold(sides):
    assert not proved("Lemma", *sides).holds


@pytest.mark.parametrize("given", [{"obtained": "exact"}, {"scope": "every θ"}])
def test_what_a_check_is_worth_has_to_be_said(given):
    with pytest.raises(TypeError, match="required keyword-only"):
        BoundCheck("Lemma", 1.0, 4.0, **given)


def test_an_infinite_bound_says_nothing_and_is_valid_json():
    check = proved("Lemma", 1.0, math.inf, {"(i)": math.inf}, scope="sampled θ")
    told = check.as_dict()
    assert check.holds
    assert not check.certified
    assert (told["rhs"], told["terms"], told["ratio"]) == (None, {"(i)": None}, 0.0)
    assert json.loads(json.dumps(told, allow_nan=False))["holds"]
