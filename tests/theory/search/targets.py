"""For every constant, term and rate a family of toys in which a statement needs all of it.

Each is a design with all other tables zero, whose bound is attained there or in a limit (α → 0, α
→ ∞, or a symmetric point): halving the constant must then violate the statement, and an ascent of
a few hundred cases has to find that.
"""

from typing import NamedTuple

from tests.theory.search.bounds import Theory
from tests.theory.search.case import BIAS, VARIANCE
from tests.theory.search.designs import ToyDesign, scalar_design
from tests.theory.search.mutants import delayed, dropped, fast, halved, squared, without

FIRST, SECOND = "Lemma 4.4, first moment", "Lemma 4.4, second moment"
ERROR, SHIFT = "Lemma 4.4, error of p", "Lemma 4.4, bias of p"


class Target(NamedTuple):
    """A mutant, the statement that it breaks, and where."""

    mutant: Theory
    statement: str
    design: ToyDesign

    @property
    def label(self) -> str:
        return f"{self.mutant.name}, {self.statement.rpartition(', ')[2]}"


def target(mutant: Theory, statement: str, setting: str, tables: str) -> Target:
    """`setting` is K, N and the sources, lower case "ss" where samples are shared: "1 1 ssE"."""
    K, N, sources = setting.split()
    design = scalar_design(int(K), int(N), sources.upper(), sources[0] == "s", tables)
    return Target(mutant, statement, design)


TARGETS = (
    # Lemma 4.4
    target(halved("c1"), FIRST, "3 1 SEE", "start g1 noise_g"),
    target(halved("c1"), SECOND, "2 1 SEE", "start g1 noise_g"),
    target(halved("sigma_in"), FIRST, "1 1 SEE", "noise_g"),
    target(halved("sigma_in"), SECOND, "2 1 SEE", "start g1 noise_g"),
    target(squared("sigma_in"), SECOND, "1 1 SEE", "noise_g"),
    target(fast("sigma_in"), SECOND, "1 2 SEE", "noise_g"),
    target(delayed("e"), FIRST, "2 1 SEE", "start g1 noise_g"),
    target(delayed("s"), SECOND, "3 1 SEE", "start g1 noise_g"),
    target(halved("mu1"), ERROR, "1 1 SEE", "start noise_g p2"),
    target(halved("mu1"), SHIFT, "1 1 SEE", "start noise_g p2"),
    # Theorem 4.5, bias: (i) outer compositional
    target(halved("mu1"), BIAS, "1 1 SEE", "start start_jacobian noise_g p2"),
    target(halved("mu2"), BIAS, "1 1 SEE", "start noise_g q2"),
    target(halved("zeta0"), BIAS, "1 1 SEE", "start start_jacobian noise_g p2"),
    target(halved("c1"), BIAS, "1 1 SEE", "start start_jacobian g1 noise_g p2"),
    target(halved("sigma_in"), BIAS, "1 1 SEE", "start noise_g q2"),
    target(squared("sigma_in"), BIAS, "1 1 SEE", "start noise_g q2"),
    target(without("s"), BIAS, "1 1 SEE", "start noise_g q2"),
    target(dropped("outer compositional"), BIAS, "1 1 SEE", "start noise_g q2"),
    target(without("zeta"), BIAS, "1 1 SEE", "start start_jacobian noise_g p2"),
    target(delayed("zeta"), BIAS, "1 1 SEE", "start start_jacobian g1 noise_g p2"),
    # (ii) estimation bias
    target(halved("Delta_H"), BIAS, "1 1 ESE", "start_jacobian bias_H p0"),
    target(halved("Delta_J"), BIAS, "1 1 ESE", "bias_G p0"),
    target(halved("c2"), BIAS, "2 1 ESE", "G0 bias_H p0"),
    target(halved("m1"), BIAS, "1 1 ESE", "bias_G p0"),
    target(dropped("estimation bias"), BIAS, "1 1 ESE", "bias_G p0"),
    target(without("delta"), BIAS, "1 1 ESE", "bias_G p0"),
    target(delayed("delta"), BIAS, "2 1 ESE", "bias_G p0"),
    # (iii) inner compositional
    target(halved("rho1"), BIAS, "2 1 SEE", "start start_jacobian g3 noise_g p0"),
    target(halved("rho2"), BIAS, "2 1 SEE", "start g0 G2 noise_g p0"),
    target(dropped("inner compositional"), BIAS, "2 1 SEE", "start g0 G2 noise_g p0"),
    target(delayed("r"), BIAS, "2 1 SEE", "start g0 G2 noise_g p0"),
    # coupling
    target(halved("sigma_H"), BIAS, "1 1 ssE", "start_jacobian noise_g noise_H p1"),
    target(squared("sigma_H"), BIAS, "1 1 ssE", "start_jacobian noise_g noise_H p1"),
    target(halved("sigma_J"), BIAS, "1 1 ssE", "noise_g noise_G p1"),
    target(squared("sigma_J"), BIAS, "1 1 ssE", "noise_g noise_G p1"),
    target(fast("sigma_J"), BIAS, "1 2 ssE", "noise_g noise_G p1"),
    target(fast("sigma_H"), BIAS, "1 2 ssE", "start_jacobian noise_g noise_H p1"),
    target(dropped("coupling"), BIAS, "1 1 ssE", "noise_g noise_G p1"),
    target(without("d"), BIAS, "1 1 ssE", "noise_g noise_G p1"),
    target(delayed("d"), BIAS, "1 1 ssE", "noise_g noise_G p1"),
    target(without("kappa"), BIAS, "2 1 ssE", "start g2 p0 noise_g noise_G"),
    target(delayed("kappa"), BIAS, "2 1 ssE", "start g2 p0 noise_g noise_G"),
    # Theorem 4.5, variance: of the estimators
    target(halved("sigma_p"), VARIANCE, "1 1 EES", "start_jacobian noise_p"),
    target(halved("sigma_q"), VARIANCE, "1 1 EES", "noise_q"),
    target(halved("sigma_H"), VARIANCE, "1 1 ESE", "start_jacobian noise_H p0"),
    target(halved("sigma_J"), VARIANCE, "1 1 ESE", "noise_G p0"),
    target(squared("sigma_p"), VARIANCE, "1 1 EES", "start_jacobian noise_p"),
    target(squared("sigma_q"), VARIANCE, "1 1 EES", "noise_q"),
    target(squared("sigma_H"), VARIANCE, "1 1 ESE", "start_jacobian noise_H p0"),
    target(squared("sigma_J"), VARIANCE, "1 1 ESE", "noise_G p0"),
    target(fast("sigma_p"), VARIANCE, "1 2 EES", "start_jacobian noise_p"),
    target(fast("sigma_q"), VARIANCE, "1 2 EES", "noise_q"),
    target(fast("sigma_H"), VARIANCE, "1 2 ESE", "start_jacobian noise_H p0"),
    target(fast("sigma_J"), VARIANCE, "1 2 ESE", "noise_G p0"),
    target(halved("zeta0"), VARIANCE, "1 1 EES", "start_jacobian noise_p"),
    target(halved("c1"), VARIANCE, "1 1 EES", "start_jacobian g1 noise_p"),
    target(halved("c2"), VARIANCE, "1 1 EES", "G0 noise_p"),
    target(halved("Delta_H"), VARIANCE, "1 1 ESS", "start_jacobian bias_H noise_p"),
    target(halved("Delta_J"), VARIANCE, "1 1 ESS", "bias_G noise_p"),
    target(halved("m1"), VARIANCE, "1 1 ESE", "noise_G p0"),
    target(dropped("estimators"), VARIANCE, "1 1 EES", "noise_q"),
    # of the path
    target(halved("sigma_in"), VARIANCE, "1 1 SEE", "noise_g q1"),
    target(halved("mu1"), VARIANCE, "1 1 SEE", "start_jacobian noise_g p1"),
    target(halved("mu2"), VARIANCE, "1 1 SEE", "noise_g q1"),
    target(halved("rho1"), VARIANCE, "2 1 SEE", "start start_jacobian g2 noise_g p0"),
    target(halved("rho2"), VARIANCE, "2 1 SEE", "start g0 G1 noise_g p0"),
    target(without("r"), VARIANCE, "2 1 SEE", "start g0 G1 noise_g p0"),
    target(dropped("path"), VARIANCE, "1 1 SEE", "noise_g q1"),
    # shared samples
    target(halved("sigma_HF"), VARIANCE, "1 1 ssE", "start_jacobian noise_H p0"),
    target(halved("sigma_JF"), VARIANCE, "1 1 ssE", "noise_G p0"),
    target(squared("sigma_HF"), VARIANCE, "1 1 ssE", "start_jacobian noise_H p0"),
    target(squared("sigma_JF"), VARIANCE, "1 1 ssE", "noise_G p0"),
    target(fast("sigma_HF"), VARIANCE, "1 2 ssE", "start_jacobian noise_H p0"),
    target(fast("sigma_JF"), VARIANCE, "1 2 ssE", "noise_G p0"),
    target(halved("sigma_p"), VARIANCE, "1 1 ssS", "start_jacobian noise_p"),
    target(halved("sigma_q"), VARIANCE, "1 1 ssS", "noise_q"),
    target(without("d_F"), VARIANCE, "1 1 ssE", "noise_G p0"),
    target(delayed("d_F"), VARIANCE, "2 1 ssE", "noise_G p0"),
    target(without("zeta_bar"), VARIANCE, "1 1 ssS", "start_jacobian noise_p"),
    target(delayed("zeta_bar"), VARIANCE, "1 1 ssS", "G0 noise_p"),
)
