"""What is asked of an evaluation, and how often a solver is called for it."""


def count_calls(monkeypatch, module, name):
    """Replace module.name by itself, appending to the returned list at each call."""
    calls, original = [], getattr(module, name)

    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls


def every_quantity(evaluation, v):
    """Ask an Evaluation for all it has."""
    return [
        evaluation.value,
        evaluation.V,
        evaluation.Q,
        evaluation.advantage,
        evaluation.occupancy,
        evaluation.gradient,
        evaluation.hvp(v),
        evaluation.hvp_parts(v)["cross"],
        evaluation.hessian,
        evaluation.hessian_parts.total,
        evaluation.third(v, v),
        evaluation.cross_reward(v),
        evaluation.cross_gamma(),
    ]
