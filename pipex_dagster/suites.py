"""Suites as assets: suite -> responses -> scores -> summary -> verdict; comparison and leaderboard beside them.

All but the suite and the leaderboard are partitioned by target. Questions come from the materialized
suite, metrics and gate from the files as they are, so an edit of a metric recomputes scores and leaves
answers alone. Each layer gives the digest of its rows as data version: what comes out the same keeps
everything behind it fresh.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipex_core.errors import PipexError
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.job import EvalJob, RunOptions, expected_text
from pipex_core.evals.judged import Judged
from pipex_core.evals.judgement import (
    comparison_table,
    decide,
    judged_of,
    summarise,
)
from pipex_core.evals.runner import place_of_job
from pipex_core.evals.suite import Suite, suite_digest
from pipex_core.evals.table import row_digest
from pipex_core.evals.verdict import sentence
from pipex_core.jsonvalue import compact, short
from pipex_dagster.champions import Baseline, blessed_rows, compared
from pipex_dagster.checks import check_results, check_specs
from pipex_dagster.evaluation import (
    At,
    Rows,
    annotated,
    ask,
    judged_today,
    known_answers,
    progress_log,
    scored,
)
from pipex_dagster.presentation import (
    leaderboard_text,
    materialized,
    numbers,
    of_metrics,
    response_numbers,
    rows_shown,
    summary_text,
    unanswered,
    worst_cases,
)
from pipex_dagster.publishing import published, verdict_table, write_report
from pipex_dagster.resources import core_key, tables_key
from pipex_dagster.suitefiles import SuiteFiles, Versions, job_of, nobody, versions_of
from pipex_dagster.tables import (
    Standing,
    cases_table,
    end_in,
    kept_case,
    leaderboard_columns,
    leaderboard_table,
    suite_of,
    summary_table,
)
from pipex_dagster.translator import (
    Layer,
    PipexTranslator,
    SuiteAsset,
    failure_of,
    is_worth_a_retry,
    key_of,
    partition_of,
    target_of,
    targets_partitions,
)

Result = dg.MaterializeResult[pa.Table]
Body = Callable[[At], Result]

partitions = dg.DynamicPartitionsDefinition(name=targets_partitions)
partitioned: frozenset[Layer] = frozenset(
    {"responses", "scores", "summary", "comparison", "verdict"}
)
free: frozenset[Layer] = frozenset({"summary", "comparison", "leaderboard"})
reads: Mapping[Layer, Sequence[Layer]] = {
    "suite": (),
    "responses": ("suite",),
    "scores": ("suite", "responses"),
    "summary": ("responses", "scores"),
    "comparison": ("responses", "scores", "champion"),
    "verdict": ("responses", "scores", "summary", "champion"),
    "leaderboard": ("summary", "verdict", "champion"),
    "champion": (),
}


class AskConfig(dg.Config):
    """How the target is asked, as the launchpad shows it."""

    carry: bool = Field(
        default=True, description="Take over known answers; false buys all of them anew."
    )
    max_concurrency: int = Field(default=20, ge=1, description="Cases in flight.")


def suite_assets(files: SuiteFiles, translator: PipexTranslator) -> list[dg.AssetsDefinition]:
    """The assets of a suite.

    Raises:
        SpecError: All problems of its metrics, its gate and the pipelines of its targets.
    """
    return _Assets(files, versions_of(files), translator).all()


class _Assets:
    """The assets of one suite; a method computes each layer."""

    def __init__(self, files: SuiteFiles, versions: Versions, translator: PipexTranslator) -> None:
        self._files = files
        self._versions = versions
        self._translator = translator

    def all(self) -> list[dg.AssetsDefinition]:
        """One definition per layer, in their order."""
        bodies: Mapping[Layer, Body] = {
            "suite": self._suite,
            "responses": self._responses,
            "scores": self._scores,
            "summary": self._summary,
            "comparison": self._comparison,
            "verdict": self._verdict,
            "leaderboard": self._leaderboard,
        }
        return [self._asset(layer, body) for layer, body in bodies.items()]

    def _key(self, layer: Layer) -> dg.AssetKey:
        return key_of(self._translator, self._files.suite.id, layer)

    def _asset(self, layer: Layer, body: Body) -> dg.AssetsDefinition:
        suite = self._files.suite
        spec = self._translator.get_asset_spec(
            SuiteAsset(
                suite_id=suite.id,
                layer=layer,
                title=suite.name or suite.id,
                description=suite.description,
                code_version=self._versions.of(layer),
                deps=[self._key(one) for one in reads[layer]],
                partitions_def=partitions if layer in partitioned else None,
                automation_condition=self._condition(layer),
            )
        )

        # Without an annotation of what it returns: Dagster would make a type of output out of it.
        def compute(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]  # noqa: ANN202 - see above
            try:
                return body(At(context, suite.id))
            except PipexError as error:
                if is_worth_a_retry(error):
                    raise dg.RetryRequested(max_retries=1) from error
                raise failure_of(error) from error

        is_verdict = layer == "verdict"
        return dg.multi_asset(
            specs=[spec.with_io_manager_key(tables_key)],
            name="__".join(spec.key.path),
            required_resource_keys={core_key, tables_key},
            config_schema=AskConfig.to_fields_dict() if layer == "responses" else None,
            check_specs=check_specs(self._files.gate, spec.key, partitions) if is_verdict else None,
        )(compute)

    def _condition(self, layer: Layer) -> dg.AutomationCondition[Any] | None:
        """When a layer that costs nothing would be made by itself; None for paid work and for verdicts.

        A verdict publishes a run, which is somebody's decision.
        """
        is_free = layer in free or (layer == "scores" and not self._versions.asks_judges)
        if not is_free:
            return None
        condition = dg.AutomationCondition
        wanted = condition.any_deps_updated().since_last_handled() & ~condition.in_progress()
        if layer == "leaderboard":  # it takes what is there
            return wanted
        champion = dg.AssetSelection.assets(self._key("champion"))
        return wanted & ~condition.any_deps_missing().ignore(champion)

    # -- the layers

    def _suite(self, at: At) -> Result:
        suite = self._files.suite
        counts = Counter(case.status for case in suite.cases)
        metadata = numbers({"cases": len(suite.cases), "quarantined": counts["quarantined"]})
        version = suite_digest(suite)
        metadata["suite_digest"] = dg.MetadataValue.text(short(version))
        privacy = suite.extra.get("privacy")
        examples = rows_shown(
            {
                "case": case.id,
                "input": at.redact(compact(case.input)),
                "expected": at.redact(expected_text(case) or ""),
            }
            for case in (kept_case(case, privacy) for case in suite.cases[:5])
        )
        return materialized(
            cases_table(suite, redact=at.redact),
            metadata,
            version=version,
            shown={"examples": examples},
        )

    def _responses(self, at: At) -> Result:
        config = AskConfig(**at.context.op_execution_context.op_config)
        entry, suite = self._files.entry(at.target), self._asked_suite(at)
        desk = at.pipex.desk_of(entry, listener=progress_log(at.context))
        job = job_of(
            suite,
            at.pipex.target(desk, entry, suite, self._files.name),
            run_id=at.run_id,
            options=RunOptions(
                max_concurrency=config.max_concurrency, cache="use" if config.carry else "refresh"
            ),
            max_cost_usd=at.pipex.settings.max_cost_usd,
            origin=at.origin,
        )
        own = at.stored(self._key("responses"))
        carry = known_answers(desk, suite.id, own) if config.carry else CarryIndex()
        asked = asyncio.run(ask(job, desk, carry=carry))
        metadata = response_numbers(asked.table, calls=asked.calls, resumed=asked.resumed)
        return materialized(
            asked.table,
            metadata | at.named,
            version=row_digest({"responses": asked.table}),
            shown={"not answered": rows_shown(unanswered(asked.table))},
        )

    def _scores(self, at: At) -> Result:
        job = self._judging(at)
        responses = annotated(job, at.required(self._key("responses")), redact=at.redact)
        own = at.stored(self._key("scores"))
        known = CarryIndex(scores=[own] if own is not None else [])
        table = asyncio.run(scored(job, at, responses, carried=known))
        found = summarise(job, responses, table).summary
        carried = pc.sum(table["carried"]).as_py() or 0
        worst = worst_cases(responses, table, job.metrics[0].name)
        return materialized(
            table,
            numbers({**of_metrics(found), "carried": carried}) | at.named,
            version=row_digest({"scores": table}),
            shown={"worst cases": rows_shown(worst)},
        )

    def _summary(self, at: At) -> Result:
        job = self._judging(at)
        found = self._rows(at, job).judgement(job).summary
        table = summary_table(found)
        return materialized(
            table,
            numbers({"pass_rate": found.totals.pass_rate, **of_metrics(found)}) | at.named,
            version=row_digest({"summary": table}),
            text=summary_text(found),
        )

    def _comparison(self, at: At) -> Result:
        job = self._judging(at)
        before = self._baseline(at, job.suite)
        own = self._rows(at, job).judgement(job).arm
        found = compared(own, None if before is None else before.arm)
        table = comparison_table(found.rows)
        return materialized(
            table,
            found.numbers | at.named,
            version=row_digest({"comparison": table.drop_columns(["baseline_run_id"])}),
            shown=found.shown,
            text=found.text(against=self._files.against),
        )

    def _verdict(self, at: At) -> Result:
        entry, suite = self._files.entry(at.target), self._asked_suite(at)
        desk = at.pipex.desk_of(entry)
        job = job_of(
            suite,
            at.pipex.target(desk, entry, suite, self._files.name),
            run_id=at.run_id,
            gate=self._files.gate_for(at.target, run_id=at.run_id),
            baseline=self._baseline(at, suite),
            origin=at.origin,
            bench=at.bench,
        )
        rows = self._rows(at, job)
        run = published(job, rows, decide(job, rows.judgement(job)), at=at, desk=desk)
        report = write_report(run, desk)
        table = verdict_table(run)
        word = run.verdict.verdict if run.verdict else run.status
        return materialized(
            table,
            numbers({"pass_rate": run.summary.totals.pass_rate, **of_metrics(run.summary)})
            | at.named
            | {
                "verdict": dg.MetadataValue.text(word),
                "why": dg.MetadataValue.text(sentence(run.verdict) if run.verdict else "no gate"),
                "run": dg.MetadataValue.text(run.run_id),
                "results": dg.MetadataValue.path(desk.blobs.url(place_of_job(job).manifest)),
                "report_file": dg.MetadataValue.path(report.path),
            },
            version=row_digest({"verdict": table.drop_columns(["baseline_run_id"])}),
            text=report.text,
            checks=list(check_results(self._files.gate, run.verdict, against=self._files.against)),
        )

    def _leaderboard(self, at: At) -> Result:
        known = at.context.instance.get_dynamic_partitions(targets_partitions)
        found = [self._standing(at, partition) for partition in known]
        table = leaderboard_table([one for one in found if one is not None])
        return materialized(
            table,
            numbers({"targets": len(set(table["target"].to_pylist()))}),
            version=row_digest({"leaderboard": table}),
            text=leaderboard_text(table),
        )

    # -- what they share

    def _asked_suite(self, at: At) -> Suite:
        return suite_of(at.required(self._key("suite"), is_partitioned=False), self._files.suite)

    def _judging(self, at: At) -> EvalJob:
        """The job as far as judging stored rows needs it: whoever answered plays no part."""
        suite, gate = self._asked_suite(at), self._files.gate
        return job_of(suite, nobody, run_id=at.run_id, gate=gate, bench=at.bench)

    def _rows(self, at: At, job: EvalJob) -> Rows:
        responses = at.required(self._key("responses"))
        scores = at.required(self._key("scores"))
        return judged_today(job, responses, scores, redact=at.redact)

    def _baseline(self, at: At, suite: Suite) -> Judged | None:
        """The champion as its stored rows are, judged by the same metrics; None without them."""
        if not self._files.is_compared(at.target, run_id=at.run_id):
            return None
        found = blessed_rows(at, self._files) or self._champion_rows(at)
        if found is None:
            return None
        job = job_of(suite, nobody, run_id=found.run_id, bench=at.bench)
        rows = judged_today(job, found.responses, found.scores, redact=at.redact)
        return judged_of(rows.judgement(job))

    def _champion_rows(self, at: At) -> Baseline | None:
        """The rows of the champion's partition, which counts until the first promotion."""
        champion = self._files.champion
        if champion is None or self._files.pointer is not None:
            return None
        partition = partition_of(champion.name)
        responses = at.tables.stored(self._key("responses"), partition)
        scores = at.tables.stored(self._key("scores"), partition)
        if responses is None or scores is None:
            return None
        end = end_in(at.tables.stored(self._key("verdict"), partition))
        return Baseline(run_id=end.get("run_id", champion.name), responses=responses, scores=scores)

    def _standing(self, at: At, partition: str) -> Standing | None:
        summary = at.tables.stored(self._key("summary"), partition, columns=leaderboard_columns)
        if summary is None:
            return None
        target = target_of(partition)
        end = end_in(at.tables.stored(self._key("verdict"), partition, columns=["rule_id"]))
        return Standing(
            target=target,
            champion=self._files.is_champion(target),
            summary=summary,
            verdict=end.get("verdict"),
        )
