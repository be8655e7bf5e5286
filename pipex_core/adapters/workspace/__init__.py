"""Files confined to roots, on this machine."""

from pipex_core.adapters.workspace.beneath import (
    kernel_has_openat2,
    open_by_kernel,
    open_by_walking,
)
from pipex_core.adapters.workspace.confined import ConfinedWorkspace

__all__ = ["ConfinedWorkspace", "kernel_has_openat2", "open_by_kernel", "open_by_walking"]
