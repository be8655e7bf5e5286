"""The definitions of this process's project, where ``workspace.yaml`` and the Dagster commands look for them."""

from pipex_dagster.building import build_definitions

# The one work at import in pipex: Dagster takes what it finds in a module, and asks for nothing.
defs = build_definitions()

__all__ = ["build_definitions", "defs"]
