"""Pipelines as op graphs and suites as partitioned assets; a thin layer over pipex_core."""

from typing import Any

__all__ = ["PipexComponent"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any name of a module
    """Import the component when it is asked for: the run launcher needs none of what stands behind it."""
    if name in __all__:
        from pipex_dagster.component import PipexComponent

        return PipexComponent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The names that there are, for Dagster's list of components."""
    return sorted([*globals(), *__all__])
