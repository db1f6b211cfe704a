"""Speed beside what a user would pick instead.

    cases = plan(("hessian", "maml"), quick=False)
    rows = run(cases, Path("out/bench"))

`plan` lists what will be measured, `run` measures it and writes `bench.json` and the picture of the
sparse study, `table` makes the rows readable. Every side of a case first shows that it computes
the same numbers; all sides run on one thread and take turns, so that a disturbance hits all.
"""

from benchmarks.cases import NAMES, plan
from benchmarks.report import table
from benchmarks.runner import run, steps
from benchmarks.sides import Case, Row

__all__ = ["NAMES", "Case", "Row", "plan", "run", "steps", "table"]
