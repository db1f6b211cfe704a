"""The paper's sentences about its tabular experiments, each with a test and a verdict."""
