"""One HTML page with all figures, their data and the verdicts on the paper's claims."""
