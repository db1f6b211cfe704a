"""The main table: for one MDP, the truth, and the bias and spread of every estimator of it.

At the uniform policy θ = 0, for the gradient g = ∇J, the Hessian H = ∇²J (in the Frobenius norm,
where it is affordable), its product H u with u = g/‖g‖ that a gradient step meets, and the K-step
MAML meta-gradient, each estimator gets

    truncation     mean of an unbiased estimator of the T-step objective − truth: the part that
                   trajectories of length T cannot see, whatever the estimator
    Hessian        mean − mean of that unbiased estimator: what the surrogate's second derivative
                   misses
    compositional  for the meta-gradient: how much further the mean shifts when θ moves by the
                   average of N trajectories instead of by its expectation
                   (`theory.compositional`, estimated with a standard error)
    bias           truncation and Hessian together, as vectors: mean − truth
    sd             √tr Cov of the estimate from N trajectories
    z mean, z sd   a simulation's mean and spread against the exact ones (`theory.simulation`)

The meta-gradient's inner path moves by expected estimates and its outer gradient is exact: `bias`
and `sd` are those of the curvature (source II) alone; sampled steps (I) add `compositional`. All
but the compositional part and the scores come from `tabular.moments`, without simulation. T is the
settings' or each MDP's own (`theory.effort`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from tabular import _checks, exact
from tabular.mdp import TabularMDP
from tabular.registry import ESTIMATORS
from tabular.sampling import successor_rewards
from theory.effort import choose_horizon
from theory.laws import estimator_laws
from theory.norms import spectral_norm
from theory.point import Point
from theory.report import Law, Report, make_row, norm
from theory.settings import Settings

#: α ‖∇²J(θ⁰)‖ where no step size is given.
RELATIVE_STEP = 0.5
#: Norms below this share of the largest |Q| or reward over 1 − γ are rounding errors of a zero.
ROUNDING = 1e-14
#: Values |Q| beyond this or below its inverse are refused.
EXTREME = 1e50
#: Largest S·S·A table the moment recursions may hold (8 bytes each, about ten of them).
MAX_TABLE = 40_000_000


def verify(
    mdp: TabularMDP, settings: Settings, progress: Callable[[str], None] = lambda stage: None
) -> Report:
    """Return the table of one MDP.

    Parameters
    ----------
    mdp : TabularMDP
        One MDP, dense or sparse.
    settings : Settings
    progress : callable
        Called with the name of each estimator as its turn comes.

    Raises
    ------
    ValueError
        If `check_mdp` refuses the MDP.
    OverflowError
        If α is so large that a variance does not fit a float.
    """
    _checks.instance(settings, Settings, "settings")
    check_mdp(mdp)
    mdp = lean(mdp)
    theta = np.zeros((mdp.num_states, mdp.num_actions))
    here = exact.evaluate(mdp, theta)
    # Rewards R(s,a,s') may cancel on average: their own size says what a rounding error is.
    largest = max(float(np.abs(x).max()) for x in (here.Q, successor_rewards(mdp)))
    rounding = ROUNDING * largest / (1 - float(mdp.gamma))
    curvature = spectral_norm(here, rounding)
    step_size = settings.step_size or (RELATIVE_STEP / curvature if curvature > 0 else 1.0)
    if step_size > EXTREME**2:
        raise OverflowError(f"a step size of {step_size:g} leads out of the range of floats")
    # K steps multiply the rounding error of ∇J by up to ‖I + α∇²J‖ each; variances, its square.
    growth = settings.num_steps * np.log1p(step_size * curvature)
    if growth > np.log(EXTREME) * 6:
        raise OverflowError(f"K steps of size {step_size:g} lead out of the range of floats")
    floor = rounding * float(np.exp(growth))
    horizon = choose_horizon(mdp, settings)
    point = Point(mdp, here, settings, horizon.steps, step_size, rounding)
    # By the registry: an estimator's numbers do not hang on which others are asked for.
    streams = np.random.SeedSequence(settings.seed).spawn(len(ESTIMATORS))
    own = dict(zip(ESTIMATORS, streams, strict=True))
    laws: dict[str, dict[str, Law]] = {}
    for name in settings.estimators:
        progress(name)
        laws[name] = estimator_laws(point, name, own[name])
    rows = [
        make_row(
            quantity,
            name,
            {n: law[quantity] for n, law in laws.items()},
            settings.num_trajectories,
            floor if quantity == "meta-gradient" else rounding,
        )
        for quantity in next(iter(laws.values()))
        for name in laws
    ]
    if not all(np.isfinite(x) for row in rows for x in vars(row).values() if isinstance(x, float)):
        raise OverflowError(f"a result of {mdp.name} is infinite; take a smaller step size")
    return Report(
        mdp=mdp.name,
        mdp_digest=fingerprint(mdp),
        num_states=mdp.num_states,
        num_actions=mdp.num_actions,
        gamma=float(mdp.gamma),
        settings=settings.as_dict(),
        horizon=horizon.steps,
        horizon_note=horizon.note,
        step_size=float(step_size),
        check_trajectories=point.check_trajectories,
        value=float(here.value),
        gradient_norm=norm(here.gradient),
        hessian_norm=curvature,
        rows=tuple(rows),
    )


def check_mdp(mdp: TabularMDP) -> None:
    """Refuse an MDP that `verify` cannot work on.

    Raises
    ------
    ValueError
        If the MDP is a batch, too large for the moment tables, or has values that are too large or
        too small for floats.
    """
    _checks.instance(mdp, TabularMDP, "mdp")
    if mdp.batch_shape or mdp.R.ndim > 2 or np.ndim(mdp.gamma):
        raise ValueError(
            f"verify takes one MDP at a time, received a batch {mdp.batch_shape}: {mdp!r}"
        )
    S, A = mdp.num_states, mdp.num_actions
    if S * S * A > MAX_TABLE:
        raise ValueError(
            f"{mdp.name} has {S} states and {A} actions; the exact covariances need tables of "
            f"S*S*A = {S * S * A:.2g} numbers and stop at {MAX_TABLE:.2g}. tabular.exact and "
            "tabular.moments' means have no such limit"
        )
    largest = float(np.abs(exact.action_value(lean(mdp), np.zeros((S, A)))).max())
    if largest and not 1 / EXTREME < largest < EXTREME:
        raise ValueError(
            f"{mdp.name} has values of size {largest:.2g}; their fourth powers leave the range of "
            f"floats. Scale the rewards so that they lie between {1 / EXTREME:g} and {EXTREME:g}"
        )


def fingerprint(mdp: TabularMDP) -> str:
    """Eight hexadecimal digits of P, R, γ and ρ, the same for the dense and the sparse form."""
    rows = mdp.transitions.rows
    tables = (rows.indptr, rows.indices, rows.data, successor_rewards(mdp), mdp.gamma, mdp.initial)
    text = b"".join(np.asarray(table, dtype=np.float64).tobytes() for table in tables)
    return hashlib.sha256(text).hexdigest()[:8]


def lean(mdp: TabularMDP) -> TabularMDP:
    """The sparse form of a large MDP with few successors."""
    rows = mdp.transitions.rows
    few = rows.nnz < 0.2 * rows.shape[0] * rows.shape[1]
    return mdp.sparse() if few and mdp.num_states > 100 and not mdp.is_sparse else mdp
