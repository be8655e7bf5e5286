"""Pipelines as op graphs and suites as partitioned assets; a thin layer over pipex_core."""
