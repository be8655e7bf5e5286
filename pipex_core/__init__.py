"""pipex: AI pipelines in YAML, evaluated on versioned suites with honest statistics.

Names are imported from the module that defines them when they are first used, so that
``import pipex_core`` stays cheap.
"""

from importlib import import_module
from typing import Any

_homes = {
    "Case": "pipex_core.evals.suite",
    "Comparison": "pipex_core.evals.compare",
    "EvalRun": "pipex_core.evals.runner",
    "ExpressionError": "pipex_core.errors",
    "PipexError": "pipex_core.errors",
    "Plan": "pipex_core.spec.plan",
    "Problem": "pipex_core.errors",
    "RunResult": "pipex_core.engine.records",
    "Scored": "pipex_core.metrics.contract",
    "SpecError": "pipex_core.errors",
    "StepRecord": "pipex_core.engine.records",
    "Suite": "pipex_core.evals.suite",
    "TransformError": "pipex_core.errors",
    "Unscored": "pipex_core.metrics.contract",
    "Verdict": "pipex_core.evals.verdict",
    "apply_diff": "pipex_core.evals.suitepatch",
    "arun_eval": "pipex_core.app.evaluations",
    "bleu_score": "pipex_core.app.scores",
    "calculate_bleu": "pipex_core.app.scores",
    "calculate_rouge": "pipex_core.app.scores",
    "check_schema": "pipex_core.jsonvalue",
    "cluster_suite": "pipex_core.evals.clustering",
    "coherence_score": "pipex_core.app.judgements",
    "compare": "pipex_core.evals.compare",
    "custom_metric": "pipex_core.app.scores",
    "diff_suites": "pipex_core.app.suitediffs",
    "embedding_similarity": "pipex_core.app.scores",
    "evaluate": "pipex_core.app.language",
    "evaluate_response": "pipex_core.app.judgements",
    "faithfulness_score": "pipex_core.app.judgements",
    "filter_cases": "pipex_core.evals.curate",
    "from_production_logs": "pipex_core.app.sourcing",
    "generate_synthetic": "pipex_core.app.sourcing",
    "list_versions": "pipex_core.app.suiteversions",
    "load_pipeline": "pipex_core.app.pipelines",
    "load_results": "pipex_core.app.stored",
    "load_suite": "pipex_core.app.suites",
    "metric": "pipex_core.app.authored",
    "perplexity": "pipex_core.app.scores",
    "register_metric": "pipex_core.app.authored",
    "relevance_score": "pipex_core.app.judgements",
    "render": "pipex_core.app.language",
    "revert_suite": "pipex_core.app.suiteversions",
    "rouge_score": "pipex_core.app.scores",
    "run_eval": "pipex_core.app.evaluations",
    "run_pipeline": "pipex_core.app.pipelines",
    "sample": "pipex_core.evals.curate",
    "save_suite": "pipex_core.app.suiteversions",
    "score": "pipex_core.app.judging",
    "semantic_similarity": "pipex_core.app.judgements",
    "stream_suite": "pipex_core.app.suitefiles",
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
