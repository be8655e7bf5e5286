"""Suites, targets, scores, verdicts and reports."""
