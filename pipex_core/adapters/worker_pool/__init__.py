"""Calls of functions in processes that may hang, crash or swell without hurting anybody else."""

from pipex_core.adapters.worker_pool.pool import ProcessPool

__all__ = ["ProcessPool"]
