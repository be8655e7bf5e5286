"""pipex: AI pipelines in YAML, evaluated on versioned suites with honest statistics.

Names are imported from the module that defines them when they are first used, so that
``import pipex_core`` stays cheap.
"""

from importlib import import_module
from typing import Any

_homes = {
    "ExpressionError": "pipex_core.errors",
    "PipexError": "pipex_core.errors",
    "Problem": "pipex_core.errors",
    "SpecError": "pipex_core.errors",
    "TransformError": "pipex_core.errors",
    "check_schema": "pipex_core.jsonvalue",
    "evaluate": "pipex_core.app.language",
    "render": "pipex_core.app.language",
    "transform": "pipex_core.app.language",
}

__all__ = list(_homes)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as many types as there are names
    home = _homes.get(name)
    if home is None:
        raise AttributeError(f"module 'pipex_core' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
