"""Claude through the vendor's SDK: the provider, its words, its streams and its failures."""

from pipex_core.adapters.anthropic.faults import translated
from pipex_core.adapters.anthropic.provider import AnthropicProvider

__all__ = ["AnthropicProvider", "translated"]
