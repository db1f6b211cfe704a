"""Makers of small MDPs: the random ones of the paper's experiments and a few to teach with.

`random_mdp` draws P(·|s,a) ~ Dirichlet(c, …, c) at c = 10⁻³ ([Liu2022], tabular experiments), that
is P_i = G_i / Σ_j G_j with G_i ~ Gamma(c). As P(G_i < x) ≈ x^c, about 47% of such variates lie
below the smallest positive float64, 2⁻¹⁰⁷⁴, so that a whole row may be 0/0. The draw is therefore
made in logarithms: U^{1/c} ~ Beta(c, 1) times an independent Gamma(c + 1) variate is Gamma(c), so

    log G = log G′ − E/c,   G′ ~ Gamma(c + 1),   E = −log U ~ Exp(1),   P = softmax(log G),

and only components too small for float64 *beside the largest* become zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tabular import _checks
from tabular.mdp import TabularMDP
from tabular.policy import softmax
from tabular.transitions import Array

#: Moves of a gridworld, (row, column), in the order of its actions; a turn right is the next one.
MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}


def random_mdp(
    num_states: int,
    num_actions: int,
    *,
    gamma: float = 0.8,
    concentration: float = 1e-3,
    rng: np.random.Generator,
) -> TabularMDP:
    """Draw a random MDP: P(·|s,a) ~ Dirichlet(c, …, c), R(s,a) ~ U[0, 1], start state 0.

    Parameters
    ----------
    num_states, num_actions : int
        S and A.
    gamma : float
        Discount, 0 <= γ < 1.
    concentration : float
        c, at least 1e-300. Small values make nearly deterministic rows, 1 makes uniform ones.
    rng : numpy.random.Generator
        Source of the draws: all of P, then all of R.

    Returns
    -------
    TabularMDP
        Named ``random SxA``.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of its range, or `rng` is not a Generator.

    References
    ----------
    [Liu2022], tabular experiments: the defaults are the paper's.
    """
    num_states = _checks.positive_integer(num_states, "num_states")
    num_actions = _checks.positive_integer(num_actions, "num_actions")
    c = _checks.one_number(concentration, "concentration")
    if c < 1e-300:  # E/c must fit float64
        raise ValueError(f"concentration must be at least 1e-300, received {concentration}")
    P = _dirichlet(c, (num_states, num_actions, num_states), _checks.generator(rng))
    R = rng.random((num_states, num_actions))
    return TabularMDP(P, R, gamma, 0, name=f"random {num_states}x{num_actions}")


def two_state(*, gamma: float = 0.9) -> TabularMDP:
    """Stay or switch between a poor and a rich state: where curvature is all in the cross term.

    =====  ======  ======  ===
    state  stay    switch  R
    =====  ======  ======  ===
    poor   poor    rich    0
    rich   rich    poor    1
    =====  ======  ======  ===

    The start is `poor`. At θ = 0 the value is J = (γ/2)/(1 − γ). With two equally likely actions
    ψψᵀ = F for either action, so what `lvc` estimates, Σ d π A (ψψᵀ − F), is zero there, and what
    `ad` estimates, −Σ d π A F, is zero everywhere since Σ_a π A = 0. Yet ∇²J ≠ 0: all of it is
    the cross term, the gain of switching in one state when the other learns to stay.

    Parameters
    ----------
    gamma : float
        Discount, 0 <= γ < 1.

    Returns
    -------
    TabularMDP
        S = 2 (poor, rich), A = 2 (stay, switch), named ``two-state``.
    """
    poor, rich = np.eye(2)
    return TabularMDP(
        [[poor, rich], [rich, poor]],
        [[0.0, 0.0], [1.0, 1.0]],
        gamma,
        0,
        state_labels=("poor", "rich"),
        action_labels=("stay", "switch"),
        name="two-state",
    )


def three_state(*, gamma: float = 0.9) -> TabularMDP:
    """Give a way to the goal and a detour whose worth hangs on what is done there.

    ======  ============================  ======  ===
    state   ahead                         aside   R
    ======  ============================  ======  ===
    start   goal with 2/5, start with 3/5 detour  0
    detour  goal                          start   0
    goal    start                         start   1
    ======  ============================  ======  ===

    Ahead takes 5/2 tries on average; the detour takes two sure steps, *if* the policy then goes
    ahead. At γ = 0.9 the discount until the goal is 0.36/0.46 ≈ 0.783 straight ahead and 0.81
    over the detour, so the advantage of `aside` in the start changes sign with the policy at the
    detour: a Hessian that leaves out the coupling between states cannot see it.

    Parameters
    ----------
    gamma : float
        Discount, 0 <= γ < 1.

    Returns
    -------
    TabularMDP
        S = 3 (start, detour, goal), A = 2 (ahead, aside), named ``three-state``.
    """
    start, detour, goal = np.eye(3)
    return TabularMDP(
        [[0.4 * goal + 0.6 * start, detour], [goal, start], [start, start]],
        [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]],
        gamma,
        0,
        state_labels=("start", "detour", "goal"),
        action_labels=("ahead", "aside"),
        name="three-state",
    )


def chain(num_states: int, *, slip: float = 0.1, gamma: float = 0.95) -> TabularMDP:
    """Walk along a line that pays at its right end.

    From s, `right` leads to s + 1 and `left` to s − 1, with probability `slip` the other way round;
    the ends block. R is 1 for `right` in the last state and 0 elsewhere. The start is state 0.

    Parameters
    ----------
    num_states : int
        S, at least 1; states are labelled by their number.
    slip : float
        Probability, in [0, 1], of moving against the action.
    gamma : float
        Discount, 0 <= γ < 1.

    Returns
    -------
    TabularMDP
        A = 2 (left, right), named ``chain S``.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of its range.
    """
    num_states = _checks.positive_integer(num_states, "num_states")
    slip = _probability(slip, "slip")
    here = np.arange(num_states)
    left, right = np.eye(num_states)[[np.maximum(here - 1, 0), np.minimum(here + 1, here[-1])]]
    P = np.stack([(1 - slip) * left + slip * right, slip * left + (1 - slip) * right], axis=1)
    R = np.zeros((num_states, 2))
    R[-1, 1] = 1.0
    return TabularMDP(
        P,
        R,
        gamma,
        0,
        state_labels=[str(s) for s in here],
        action_labels=("left", "right"),
        name=f"chain {num_states}",
    )


def gridworld(
    rows: int,
    columns: int,
    *,
    walls: Iterable[tuple[int, int]] = (),
    start: tuple[int, int] = (0, 0),
    goal: tuple[int, int] | None = None,
    slip: float = 0.0,
    step_reward: float = 0.0,
    gamma: float = 0.95,
) -> TabularMDP:
    """Walk on a grid to a goal.

    The states are the cells without a wall, row by row. A move goes in the direction of the action
    or, with probability `slip`, to one of its two sides (`slip`/2 each); into a wall or over the
    edge it stays. Each step costs or pays `step_reward`, entering the goal pays 1 more; the goal
    is absorbing and pays nothing. Rewards depend on s′ and are kept in `successor_reward`.

    Parameters
    ----------
    rows, columns : int
        Size of the grid.
    walls : iterable of (row, column)
        Cells that are no states.
    start, goal : (row, column)
        Different cells; the goal is the last cell if None.
    slip : float
        Probability, in [0, 1], of moving sideways.
    step_reward : float
        Reward of a step.
    gamma : float
        Discount, 0 <= γ < 1.

    Returns
    -------
    TabularMDP
        A = 4 (up, right, down, left), states labelled ``row,column``, named ``gridworld RxC``.

    Raises
    ------
    ValueError, TypeError
        If a cell is off the grid or a wall, start and goal agree, or a number is out of range.
    """
    size = _checks.positive_integer(rows, "rows"), _checks.positive_integer(columns, "columns")
    slip = _probability(slip, "slip")
    blocked = {_cell(wall, "a wall", size) for wall in walls}
    start = _cell(start, "start", size)
    goal = (size[0] - 1, size[1] - 1) if goal is None else _cell(goal, "goal", size)
    if start == goal or start in blocked or goal in blocked:
        raise ValueError(
            f"start and goal must be different cells without a wall, received start {start}, "
            f"goal {goal} and walls {sorted(blocked)}"
        )
    cells = [cell for cell in np.ndindex(*size) if cell not in blocked]
    index = {cell: s for s, cell in enumerate(cells)}
    moves = list(MOVES.values())
    P = np.zeros((len(cells), len(moves), len(cells)))
    for (row, column), s in index.items():
        for a in range(len(moves)):
            for turn, probability in ((0, 1 - slip), (1, slip / 2), (-1, slip / 2)):
                down, right = moves[(a + turn) % len(moves)]
                P[s, a, index.get((row + down, column + right), s)] += probability
    R = np.full(P.shape, _checks.one_number(step_reward, "step_reward"))
    R[:, :, index[goal]] += 1.0
    P[index[goal]] = np.eye(len(cells))[index[goal]]
    R[index[goal]] = 0.0
    return TabularMDP(
        P,
        R,
        gamma,
        index[start],
        state_labels=[f"{row},{column}" for row, column in cells],
        action_labels=tuple(MOVES),
        name=f"gridworld {size[0]}x{size[1]}",
    )


def _dirichlet(concentration: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Dirichlet(c, …, c) vectors along the last axis of `shape`, drawn in logarithms."""
    log_gamma = np.log(rng.standard_gamma(concentration + 1, shape))
    return softmax(log_gamma - rng.standard_exponential(shape) / concentration)


def _probability(value: Any, name: str) -> float:
    return _checks.one_number(_checks.unit_interval(value, name), name)


def _cell(value: Any, name: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return `value` as a (row, column) inside a grid of `size`."""
    try:
        row, column = value
        inside = 0 <= row < size[0] and 0 <= column < size[1]
        cell = int(row), int(column)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a pair (row, column), received {value!r}") from None
    if not inside or cell != (row, column):
        raise ValueError(
            f"{name} must be whole numbers (row, column) inside a grid of {size[0]} rows and "
            f"{size[1]} columns, received {value}"
        )
    return cell
