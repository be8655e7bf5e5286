"""Estimates, paired comparisons and agreement, as pure functions over numbers."""
