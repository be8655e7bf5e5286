"""Judgements of one response."""
