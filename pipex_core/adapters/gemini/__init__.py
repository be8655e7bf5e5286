"""Gemini through the vendor's SDK: the provider, its words, its streams and its failures."""

from pipex_core.adapters.gemini.faults import translated
from pipex_core.adapters.gemini.provider import GeminiProvider

__all__ = ["GeminiProvider", "translated"]
