"""The surrogate objectives of a policy gradient, for automatic differentiation in PyTorch.

With ℓ_t = log π(a_t|s_t), old log-probabilities ℓ°_t, ρ_t = exp(ℓ_t − ℓ°_t), ρ_{≤t} = Π_{j≤t} ρ_j,
rewards r_t, baselines V_t = V_b(s_t), t ≤ T, and Â_t = Σ_l (γλ)^l δ_{t+l},
δ_t = r_t + γ V_{t+1} − V_t, a trajectory counts

    ad                Σ_t γ^t Â_t ℓ_t
    lvc               Σ_t γ^t Â_t ρ_t
    loaded_dice       Σ_t γ^t Â_t (ρ_{≤t} − ρ_{<t})
    dice              Σ_t γ^t (ρ_{≤t} r_t + (1 − ρ_t) V_t) + γ^T ρ_{<T} V_T,      ℓ° = ℓ detached
    off_policy_dice   the same with the ℓ° that drew the trajectory

each differentiable any number of times; derivatives of first and second order at ℓ° = ℓ are those
of `tabular.estimators`, where `dice` has V = 0. Time is the last dimension.

Sources: [Foerster2018b] for `dice` and its baseline, [Farquhar2019] for `loaded_dice`,
[Rothfuss2019] for `lvc`, [Liu2022] for `off_policy_dice`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: (logp, old_logp, rewards, baselines, *, gamma, gae_lambda) -> one number a trajectory, (...).
Surrogate = Callable[..., Tensor]


def advantages(
    rewards: Tensor, baselines: Tensor, *, gamma: float, gae_lambda: float = 1.0
) -> Tensor:
    """Â_t (..., T) from rewards (..., T) and baselines (..., T + 1); [Schulman2016]."""
    delta = rewards + gamma * baselines[..., 1:] - baselines[..., :-1]
    total = torch.zeros_like(delta[..., 0])
    backwards = []
    for one in reversed(delta.unbind(-1)):
        total = one + gamma * gae_lambda * total
        backwards.append(total)
    return torch.stack(backwards[::-1], dim=-1)


def discounts(values: Tensor, gamma: float) -> Tensor:
    """γ^t along the last dimension of `values`, (T,)."""
    return gamma ** torch.arange(values.shape[-1], dtype=values.dtype, device=values.device)


def ad(
    logp: Tensor,
    old_logp: Tensor,
    rewards: Tensor,
    baselines: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Σ_t γ^t Â_t ℓ_t: what automatic differentiation of a policy-gradient loss starts from."""
    advantage = advantages(rewards, baselines, gamma=gamma, gae_lambda=gae_lambda)
    return (discounts(rewards, gamma) * advantage * logp).sum(-1)


def lvc(
    logp: Tensor,
    old_logp: Tensor,
    rewards: Tensor,
    baselines: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Σ_t γ^t Â_t ρ_t: low-variance curvature."""
    advantage = advantages(rewards, baselines, gamma=gamma, gae_lambda=gae_lambda)
    return (discounts(rewards, gamma) * advantage * (logp - old_logp).exp()).sum(-1)


def loaded_dice(
    logp: Tensor,
    old_logp: Tensor,
    rewards: Tensor,
    baselines: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Σ_t γ^t Â_t (ρ_{≤t} − ρ_{<t})."""
    advantage = advantages(rewards, baselines, gamma=gamma, gae_lambda=gae_lambda)
    log_ratio = logp - old_logp
    upto = log_ratio.cumsum(-1)
    return (discounts(rewards, gamma) * advantage * (upto.exp() - (upto - log_ratio).exp())).sum(-1)


def dice(
    logp: Tensor,
    old_logp: Tensor,
    rewards: Tensor,
    baselines: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Σ_t γ^t (ρ_{≤t} r_t + (1 − ρ_t) V_t) on policy, whatever `old_logp` is; λ must be one."""
    return off_policy_dice(
        logp, logp.detach(), rewards, baselines, gamma=gamma, gae_lambda=gae_lambda
    )


def off_policy_dice(
    logp: Tensor,
    old_logp: Tensor,
    rewards: Tensor,
    baselines: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Σ_t γ^t (ρ_{≤t} r_t + (1 − ρ_t) V_t) with importance weights; λ must be one.

    Raises
    ------
    ValueError
        If λ is not one.
    """
    if gae_lambda != 1:
        raise ValueError(f"DiCE has no lambda: gae_lambda must be 1, received {gae_lambda}")
    gains, costs = (discounts(x, gamma) * x for x in (rewards, baselines))
    gains[..., -1] += costs[..., -1]  # both count ρ_{<T}
    costs = costs[..., :-1]
    log_ratio = logp - old_logp
    ratios, upto = log_ratio.exp(), log_ratio.cumsum(-1).exp()
    return (upto * gains).sum(-1) - (ratios * costs).sum(-1) + costs.sum(-1)


SURROGATES: dict[str, Surrogate] = {
    "ad": ad,
    "lvc": lvc,
    "loaded_dice": loaded_dice,
    "dice": dice,
    "off_policy_dice": off_policy_dice,
}
