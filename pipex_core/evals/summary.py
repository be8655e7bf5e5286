"""What a run measured, by metric and slice: means beside everything that could not be measured."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.arms import Arm, MetricArm, MetricFacts, slices_of
from pipex_core.evals.columns import holds, values_of
from pipex_core.evals.corpora import CorpusValue, corpus_values
from pipex_core.jsonvalue import Json, digest
from pipex_core.stats.estimates import (
    Estimate,
    Histogram,
    Interval,
    Scale,
    histogram,
    percentile,
    summarise,
)
from pipex_core.stats.units import Floats, mean


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """Numbers about one metric on the cases of one slice.

    Attributes:
        mean: Over scored and imputed values, weighted; None when there are none.
        mean_scored: Over scored values alone.
        bounds: The mean if every missing case had the worst or the best value; None when unbounded.
        missing_rate: Missing by planned, without the cases that are not applicable.
        estimate: Spread, percentiles and interval of the values behind ``mean``.
        pass_rate: Share of passed among those decided, with its interval.
        corpus: Value over the whole suite that is no mean, or None; slices have none.
    """

    facts: MetricFacts
    n_planned: int
    n_scored: int
    n_failed: int
    n_missing: int
    n_na: int
    mean: float | None = None
    mean_scored: float | None = None
    bounds: tuple[float, float] | None = None
    missing_rate: float | None = None
    estimate: Estimate | None = None
    histogram: Histogram | None = None
    pass_rate: float | None = None
    pass_interval: Interval | None = None
    within_variance: float | None = None
    flake_rate: float | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    corpus: CorpusValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts and sums of a run.

    Attributes:
        n_cases: Cases that count; quarantined ones are told apart in ``n_quarantined``.
        n_rows: Responses, all repeats and quarantined cases included.
        n_ok: Rows of class observed; with ``n_failed`` and ``n_missing`` they make ``n_rows``.
        n_counted: Rows of the cases that count, which ``n_counted_failed``, ``statuses`` (response
            status to number of rows), ``counted_nanousd`` and latencies are about. Carried cost counts.
        missing_rate: Largest share of them without an answer or a metric's score; None without rows.
        pass_rate: Passed by passed plus failed cases; None when nothing was decided.
        cost_nanousd: Of the rows that this run paid for; ``saved_nanousd`` is what the others, carried or
            from the call cache, once cost. Quarantined cases cost too.
        latency: Percentiles in milliseconds over rows with a latency, by name: ``p50 p90 p95 p99``.
    """

    n_cases: int
    n_quarantined: int
    n_rows: int
    n_ok: int
    n_failed: int
    n_missing: int
    n_carried: int
    n_passed: int
    n_case_failed: int
    n_undetermined: int
    n_cases_missing: int
    statuses: Mapping[str, int]
    pass_rate: float | None
    pass_interval: Interval | None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_nanousd: int
    judge_cost_nanousd: int
    saved_nanousd: int
    duration_ms_mean: float | None
    latency: Mapping[str, float]
    n_counted: int = 0
    n_counted_failed: int = 0
    counted_nanousd: int = 0
    missing_rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All numbers of a run.

    Attributes:
        metrics: By column name, in the order of the run.
        slices: Slicing, then value, then metric.
    """

    totals: Totals
    metrics: Mapping[str, MetricSummary]
    slices: Mapping[str, Mapping[str, Mapping[str, MetricSummary]]] = field(default_factory=dict)

    def rate(self, status: str) -> float | None:
        """Share of the rows that count with this status; None for a run without such rows."""
        rows = self.totals.n_counted
        return self.totals.statuses.get(status, 0) / rows if rows else None

    def value(self, name: str) -> float | None:
        """A number of the suite by the name that gates use; None when it could not be computed.

        Names: ``pass_rate cost_total cost_per_case latency_p95 missing_rate failure_rate
        refusal_rate truncation_rate``, and a metric with ``_mean``, ``_median``, ``_p95`` or another
        field of its estimate behind it. Rates are shares of rows, carried cost counts as cost, and
        quarantined cases are left out.

        Raises:
            KeyError: No number has this name.
        """
        totals = self.totals
        rows = totals.n_counted
        spent = totals.counted_nanousd / 1e9
        known: dict[str, float | None] = {
            "pass_rate": totals.pass_rate,
            "cost_total": spent,
            "cost_per_case": spent / totals.n_cases if totals.n_cases else None,
            "missing_rate": totals.missing_rate,
            "failure_rate": totals.n_counted_failed / rows if rows else None,
            "refusal_rate": self.rate("model_refusal"),
            "truncation_rate": self.rate("truncated"),
            **{
                f"latency_{word}": totals.latency.get(word) for word in ("p50", "p90", "p95", "p99")
            },
        }
        return known[name] if name in known else self._metric_value(name)

    def _metric_value(self, name: str) -> float | None:
        metric, _, stat = name.rpartition("_")
        summary = self.metrics[metric]
        if stat == "mean":
            return summary.mean
        if stat not in _stats:
            raise KeyError(name)
        return getattr(summary.estimate, stat) if summary.estimate else None


_stats = ("median", "sd", "min", "max", "p5", "p25", "p75", "p90", "p95", "p99")


def summary_of(
    arm: Arm,
    responses: pa.Table,
    scores: pa.Table,
    *,
    slices: Iterable[str] = ("tags", "split"),
    min_slice: int = 30,
) -> Summary:
    """All numbers of a run: of the whole, and of every slice that has cases.

    Args:
        arm: The run's values.
        responses: The rows behind it.
        scores: The rows behind it.
        slices: Slicings; one in which no case has a value is left out.
        min_slice: Values of fewer cases are summed up as ``(small)``.
    """
    corpora = corpus_values(scores)
    by_slicing = {by: slices_of(arm, by, min_slice=min_slice) for by in dict.fromkeys(slices)}
    return Summary(
        totals=_totals(arm, responses, scores),
        metrics={
            name: replace(summarise_metric(arm, name), corpus=corpora.get(name))
            for name in arm.metrics
        },
        slices={
            by: {
                value: {name: summarise_metric(arm, name, cases=cases) for name in arm.metrics}
                for value, cases in found.items()
            }
            for by, found in by_slicing.items()
            if found
        },
    )


def summarise_metric(arm: Arm, name: str, *, cases: Iterable[int] | None = None) -> MetricSummary:
    """Section 6.4 of one metric, on the cases at these positions (None: all).

    The bootstrap of a skewed metric is seeded by content: the fingerprint and the values.
    """
    metric = arm.metrics[name]
    chosen = [i for i in (range(len(arm.cases)) if cases is None else cases) if metric.states[i]]
    n = Counter(metric.states[i] for i in chosen)
    values = metric.values
    counted = [i for i in chosen if not math.isnan(values[i])]
    scored = [i for i in counted if metric.states[i] == "scored"]
    planned = len(chosen) - n["na"]
    decided = [i for i in counted if metric.passed[i] is not None]
    rate = _estimate(arm, decided, [float(bool(metric.passed[i])) for i in decided], Scale())
    estimate = _estimate(
        arm, counted, values[counted].tolist(), metric.facts.scale, metric.facts.fingerprint
    )
    return MetricSummary(
        facts=metric.facts,
        n_planned=len(chosen),
        n_scored=n["scored"],
        n_failed=n["failed"],
        n_missing=n["missing"],
        n_na=n["na"],
        mean=estimate.mean if estimate else None,
        mean_scored=_mean(arm, scored, values),
        bounds=_bounds(arm, metric, chosen, counted),
        missing_rate=n["missing"] / planned if planned else None,
        estimate=estimate,
        histogram=histogram(values[counted], scale=metric.facts.scale) if counted else None,
        pass_rate=rate.mean if rate else None,
        pass_interval=rate.interval if rate else None,
        within_variance=metric.within_variance,
        flake_rate=metric.flake_rate,
        codes=metric.codes if cases is None else {},
    )


def _estimate(
    arm: Arm, positions: Sequence[int], values: Sequence[float], scale: Scale, seed_of: str = ""
) -> Estimate | None:
    if not positions:
        return None
    clusters = [arm.cases[i].cluster for i in positions]
    skewed = scale.skewed
    return summarise(
        values,
        scale=scale,
        weights=[arm.cases[i].weight for i in positions],
        clusters=clusters if any(one is not None for one in clusters) else None,
        seed=int(digest([seed_of, list(values)])[:16], 16) if skewed else 0,
    )


def _mean(arm: Arm, positions: Sequence[int], values: Floats) -> float | None:
    if not positions:
        return None
    return mean(values[list(positions)], weights=[arm.cases[i].weight for i in positions])


def _bounds(
    arm: Arm, metric: MetricArm, chosen: Sequence[int], counted: Sequence[int]
) -> tuple[float, float] | None:
    if not metric.facts.bounded:
        return None
    missing = [i for i in chosen if metric.states[i] == "missing"]
    if not counted and not missing:
        return None
    known = math.fsum(arm.cases[i].weight * metric.values[i] for i in counted)
    open_weight = math.fsum(arm.cases[i].weight for i in missing)
    total = math.fsum(arm.cases[i].weight for i in counted) + open_weight
    scale = metric.facts.scale
    return (known + open_weight * scale.low) / total, (known + open_weight * scale.high) / total


def _totals(arm: Arm, responses: pa.Table, scores: pa.Table) -> Totals:
    classes = Counter(values_of(responses["class"]))
    sums = responses.select(("calls", "input_tokens", "output_tokens", "cost_nanousd"))
    own = sums.filter(holds(responses["cache"], "miss"))
    quarantined = pc.unique(responses["case_id"].filter(responses["quarantined"]))
    decided = [i for i, passed in enumerate(arm.passed) if passed is not None]
    rate = _estimate(arm, decided, [float(bool(arm.passed[i])) for i in decided], Scale())
    narrow = responses.select(("class", "status", "latency_ms", "cost_nanousd"))
    counted = narrow.filter(pc.invert(responses["quarantined"]))
    latencies = counted["latency_ms"].drop_null().to_pylist()
    missing = sum(arm.missing)
    return Totals(
        n_cases=len(arm.cases),
        n_quarantined=len(quarantined),
        n_rows=responses.num_rows,
        n_ok=classes["observed"],
        n_failed=classes["target_failure"],
        n_missing=classes["missing"],
        n_carried=pc.sum(holds(responses["cache"], "carried")).as_py() or 0,
        n_passed=arm.passed.count(True),
        n_case_failed=arm.passed.count(False),
        n_undetermined=arm.passed.count(None) - missing,
        n_cases_missing=missing,
        statuses=dict(sorted(Counter(values_of(counted["status"])).items())),
        pass_rate=rate.mean if rate else None,
        pass_interval=rate.interval if rate else None,
        calls=_sum(own, "calls"),
        input_tokens=_sum(own, "input_tokens"),
        output_tokens=_sum(own, "output_tokens"),
        cost_nanousd=_sum(own, "cost_nanousd"),
        judge_cost_nanousd=_sum(scores.filter(pc.invert(scores["carried"])), "judge_cost_nanousd"),
        saved_nanousd=_sum(responses, "cost_nanousd") - _sum(own, "cost_nanousd"),
        duration_ms_mean=mean(latencies) if latencies else None,
        latency={
            word: percentile(latencies, share=share)
            for word, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
            if latencies
        },
        n_counted=counted.num_rows,
        n_counted_failed=pc.sum(holds(counted["class"], "target_failure")).as_py() or 0,
        counted_nanousd=_sum(counted, "cost_nanousd"),
        missing_rate=arm.missing_share if counted.num_rows else None,
    )


def _sum(table: pa.Table, column: str) -> int:
    return int(pc.sum(table[column]).as_py() or 0)


def _interval(interval: Interval | None) -> Json:
    if interval is None:
        return None
    return {
        "low": interval.low,
        "high": interval.high,
        "method": interval.method,
        "level": interval.level,
    }


def metric_document(summary: MetricSummary) -> dict[str, Json]:
    """Section 6.4 as JSON; what could not be computed is null."""
    found = summary.estimate
    bins = summary.histogram
    return {
        "type": summary.facts.type,
        "fingerprint": summary.facts.fingerprint,
        "direction": summary.facts.scale.direction,
        "threshold": summary.facts.threshold,
        "required": summary.facts.required,
        "n": found.n if found else 0,
        "n_planned": summary.n_planned,
        "n_scored": summary.n_scored,
        "n_failed": summary.n_failed,
        "n_missing": summary.n_missing,
        "n_na": summary.n_na,
        "missing_rate": summary.missing_rate,
        "mean": summary.mean,
        "mean_scored": summary.mean_scored,
        "bounds": list(summary.bounds) if summary.bounds else None,
        **{word: getattr(found, word) if found else None for word in _stats},
        "ci": _interval(found.interval) if found else None,
        "few_clusters": found.few_clusters if found else False,
        "corpus": summary.corpus.document() if summary.corpus else None,
        "pass_rate": summary.pass_rate,
        "pass_ci": _interval(summary.pass_interval),
        "within_variance": summary.within_variance,
        "flake_rate": summary.flake_rate,
        "codes": dict(summary.codes),
        "histogram": (
            {"low": bins.low, "high": bins.high, "counts": list(bins.counts)} if bins else None
        ),
    }


def totals_document(summary: Summary) -> dict[str, Json]:
    """The ``summary`` of a step's result: counts of cases, the pass rate in percent, time and cost."""
    totals = summary.totals
    spent = totals.cost_nanousd + totals.judge_cost_nanousd
    return {
        "total_tests": totals.n_cases,
        "passed_tests": totals.n_passed,
        "failed_tests": totals.n_case_failed,
        "undetermined_tests": totals.n_undetermined,
        "missing_tests": totals.n_cases_missing,
        "pass_rate": None if totals.pass_rate is None else round(100 * totals.pass_rate, 2),
        "avg_duration_ms": totals.duration_ms_mean,
        "cost_usd": spent / 1e9,
        "carried": totals.n_carried,
    }
