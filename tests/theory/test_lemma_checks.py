"""Which vectors of an MDP the lemmas are checked on, against sums written out."""

import numpy as np
import pytest

from tests.theory.bound_cases import enumerated
from theory.lemma_checks import lemma_checks


def test_the_vectors():
    """X = ĝ and Y = Ĥ p, and of H.7 the halves of the outcomes."""
    paths = enumerated("lvc", 1, 1)
    checks = {check.name: check for check in lemma_checks(paths)}
    weight, x, hessians, _ = (table[0] for table in paths.levels[0].outcomes)
    y = np.array([H @ paths.exact_outer.gradient[0] for H in hessians])
    pairs = list(zip(weight, x, y, strict=True))
    means = [sum(w * v[k] for w, *v in pairs) for k in (0, 1)]
    variances = [sum(w * np.sum((v[k] - means[k]) ** 2) for w, *v in pairs) for k in (0, 1)]
    norms = [sum(w * np.linalg.norm(v[k]) for w, *v in pairs) for k in (0, 1)]
    assert checks["Lemma H.2"].lhs == pytest.approx(np.linalg.norm(means[0]))
    assert checks["Lemma H.2"].rhs == pytest.approx(norms[0])
    assert list(checks["Lemma H.3"].terms.values()) == pytest.approx(norms)
    found = checks["Lemma H.5 (iii)"].setting
    assert [found["V[X]"], found["V[Y]"]] == pytest.approx(variances)
    within = 0.0
    for half in (pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]):
        mean = sum(w * g for w, g, _ in half) / sum(w for w, *_ in half)
        within += sum(w * np.sum((g - mean) ** 2) for w, g, _ in half)
    parts = checks["Lemma H.7"].setting
    assert list(parts.values()) == pytest.approx([within, variances[0] - within])
    assert within < 0.99 * variances[0]
    assert checks["Lemma H.8"].setting == {"independent": True}
    assert checks["Lemma H.8"].rounding > 0
    assert all(check.holds for check in checks.values())
