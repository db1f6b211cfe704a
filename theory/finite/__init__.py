"""K-step problems whose samples have finitely many outcomes: every expectation by enumeration."""
