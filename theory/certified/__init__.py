"""Certified mode: the theorem's inequalities in ball arithmetic, so that "holds" is a proof.

On tiny MDPs every expectation is a finite sum, every table of floats an exact rational, and every
number a ball, midpoint ± radius, that provably contains the true one ([Johansson2017]). An
inequality whose balls are apart is then decided by the computer, up to the correctness of the code.

    balls        rationals, roots and norms in balls; the only place that imports python-flint
    enumeration  all trajectories, as rational data of softmax monomials
    estimates    the estimators' and the objective's derivatives at one θ
    tree         all sampled inner paths: moments of the iterates and of the meta-gradient
    constants    Assumption 4.1 for every θ, where two points are too close to divide by
    bounds       the right-hand sides of Lemma 4.4 and Theorem 4.5 for MAML
    check        an inequality between balls, with its verdict
    statements   Lemma 4.4 and Theorem 4.5 compared: `certify`
"""

from theory.certified.check import CertifiedCheck
from theory.certified.statements import certify

__all__ = ["CertifiedCheck", "certify"]
