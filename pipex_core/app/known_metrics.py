"""The table of all metrics: those of the catalogue, of plug-ins, of this process and of a suite's folder."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pipex_core.app.authored import with_authored
from pipex_core.metrics.catalogue import METRICS, built_in
from pipex_core.metrics.contract import MetricType
from pipex_core.registry import Registry

# Metrics that need something from outside: with it, in place of the catalogue's own.
SUPPLIED: Mapping[str, str] = MappingProxyType(
    {
        "banned_terms": "pipex_core.app.measuring:banned_terms",
        "embedding_similarity": "pipex_core.app.measuring:embedding_similarity",
        "meteor": "pipex_core.app.measuring:meteor",
        "perplexity": "pipex_core.app.measuring:perplexity",
        "pii_free": "pipex_core.app.measuring:pii_free",
        "sql_equivalent": "pipex_core.app.measuring:sql_equivalent",
        "yaml_valid": "pipex_core.app.measuring:yaml_valid",
    }
)


@cache
def shipped_metrics() -> Registry[MetricType]:
    """Built-in metrics and those of the entry points ``pipex.metrics``."""
    built: Registry[MetricType] = Registry(
        "metric", {**METRICS, **SUPPLIED}, aliases=built_in().aliases()
    )
    return built.with_plugins("pipex.metrics")


def metrics(beside: str | Path = "", *, allow_code: bool = False) -> Registry[MetricType]:
    """All metrics: shipped ones, those registered in this process and, if allowed, those of a suite.

    Raises:
        ConfigError: ``duplicate_metric`` or ``code_failed``; see ``authored.with_authored``.
    """
    return with_authored(shipped_metrics(), beside=beside, allow_code=allow_code)
