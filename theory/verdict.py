"""What of a report is not as it should be: simulations that disagree, and bounds that fail."""

from __future__ import annotations

from collections.abc import Sequence

from theory.report import Report

#: |z| beyond which simulation and exact moments are said to disagree, of the mean and of the sd,
#: whose score is approximate.
DISAGREE, DISAGREE_SD = 5.0, 7.0


def disagreements(reports: Sequence[Report]) -> list[str]:
    """Return scores that are too large, a line each."""
    return [
        f"{report.mdp}, {row.quantity}, {row.estimator}: z of the {name} = {z:.1f}"
        for report in reports
        for row in report.rows
        for name, z, limit in (
            # Of a simulation whose spread says nothing (a rare reward), the mean says as little.
            ("mean", None if row.z_sd is None else row.z_mean, DISAGREE),
            ("sd", row.z_sd, DISAGREE_SD),
        )
        if z is not None and abs(z) > limit
    ]


def violations(reports: Sequence[Report]) -> list[str]:
    """Return statements that fail, a line each; empirical constants refute nothing."""
    return [
        f"{report.mdp}, {check.name}, {check.setting.get('of')}: {check.lhs:g} > {check.rhs:g}"
        for report in reports
        for check in report.bounds
        if check.certified and check.measured and not check.holds
    ]


def unproved(reports: Sequence[Report]) -> list[str]:
    """Return statements that certified mode refutes or cannot decide, a line each."""
    return [
        f"{report.mdp}, {check.setting['estimator']}: {check}"
        for report in reports
        for check in report.proofs
        if not check.holds
    ]
