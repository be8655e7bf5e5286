"""``pipex compare``, ``gate`` and ``explain``: is it better, is it good enough, why was it computed?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import emit, exit_ok, note
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.evals.archive import Stored
    from pipex_core.evals.compare import Comparison
    from pipex_core.evals.findings import FlipText

cut_text = 100


@click.command(short_help="Compare two runs case by case.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME", help="Only these metrics."
)
@click.option("--by", metavar="FIELD", help="Also per value of tags, split or a metadata path.")
@click.option(
    "--flips",
    type=click.IntRange(0),
    metavar="N",
    default=5,
    show_default=True,
    help="Changed cases to show.",
)
@click.option(
    "--gate", metavar="FILE", help="Also judge B against A; the exit code is the verdict's."
)
@click.option(
    "--rescore", is_flag=True, help="Ask judges that changed again about both runs; costs money."
)
@click.option("--allow-partial", is_flag=True, help="Compare although few cases are common.")
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def compare(before: str, after: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Compare run B with run A on their common cases: better, worse, or one cannot tell.

    A run is an id, a unique prefix, latest, latest:SUITE, a baseline such as champion, or the name of
    a target or model. Where a metric changed since, the stored answers of both are scored again.
    """
    from pipex_core.app.rulers import ruler
    from pipex_core.app.stored import load_pair, open_archive
    from pipex_core.evals.compare import compare as compared
    from pipex_core.evals.pairs import comparable, match
    from pipex_core.evals.strangers import unpaired_rows

    ruled = ruler(given["results"], judges=given["rescore"], tell=note)
    a, b = ruled(*load_pair(open_archive(given["results"]), before, after))
    arms, metrics = (a.judgement.arm, b.judgement.arm), given["metrics"] or None
    if given["allow_partial"] and not given["gate"] and not match(*arms).a:
        rows = unpaired_rows(*arms, metrics=metrics)
    else:
        matched = comparable(*arms, allow_partial=given["allow_partial"])
        by = (given["by"],) if given["by"] else ()
        rows = compared(*arms, matched=matched, metrics=metrics, by=by)
    shown = _flips(a, b, rows, most=given["flips"])
    verdict = _verdict(given["gate"], a, b) if given["gate"] else None
    payload = {
        "schema": "pipex.compare/1",
        "baseline": a.place.run_id,
        "current": b.place.run_id,
        "comparisons": [row.as_row() for row in rows],
        "flips": [asdict(flip) for flip in shown],
        "verdict": None if verdict is None else verdict.as_json(),
    }
    lines = [*_compare_lines(a, b, rows, shown)]
    if verdict is not None:
        lines += ["", *_verdict_lines(verdict, b)]
    emit(payload, as_json=given["as_json"], text="\n".join(lines))
    return exit_ok if verdict is None else verdict.exit_code


@click.command(short_help="Say PASS, FAIL, INCONCLUSIVE or INCOMPLETE of a run.")
@click.argument("run_id", metavar="RUN")
@click.option("--gate", metavar="FILE", help="Gate file.  [default: the gate of the run's suite]")
@click.option("--baseline", metavar="RUN", help="Run, target or champion to compare with.")
@click.option(
    "--allow-uncertified", is_flag=True, help="Let judges gate that have no valid certificate."
)
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def gate(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Judge the stored evaluation RUN by a gate; nothing is called or scored.

    Exit codes: 0 PASS, 1 FAIL, 2 the gate cannot be used, 3 INCONCLUSIVE, 4 INCOMPLETE.
    """
    from pipex_core.app.baselines import promote_by_rule
    from pipex_core.app.rulers import ruler
    from pipex_core.app.stored import find_run, gate_for, judge_stored, open_archive

    archive = open_archive(given["results"])
    stored = archive.load(find_run(archive, run_id))
    verdict = judge_stored(
        archive,
        stored,
        gate_file=given["gate"],
        baseline=given["baseline"],
        allow_uncertified=given["allow_uncertified"],
        ruled=ruler(given["results"], tell=note),
    )
    payload = {"schema": "pipex.verdict/1", "run_id": stored.place.run_id, **verdict.as_json()}
    promotion = gate_for(stored, given["gate"]).promotion
    moved = promote_by_rule(archive, stored.place, verdict, promotion)
    if moved is not None:
        note(f"the champion of {moved.suite_id} is now this run, by the promotion rule of its gate")
    emit(payload, as_json=given["as_json"], text=lambda: "\n".join(_verdict_lines(verdict, stored)))
    return verdict.exit_code


@click.command(short_help="Say why a case was or would be computed again.")
@click.argument("case_id", metavar="CASE")
@click.option(
    "--run", "run_id", metavar="RUN", help="Run whose words are explained.  [default: latest]"
)
@click.option("--suite", metavar="PATH", help="A suite in place of a run.")
@click.option("--target", metavar="FILE", help="A target in place of a run.")
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME", help="Metrics; with --suite."
)
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def explain(case_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Say of CASE, layer by layer, whether its key is known, from which run, and else what differs.

    The files are read as they are now, so an edit shows here before it costs anything.
    """
    from pipex_core.app.evaluations import job_of_run, open_desk
    from pipex_core.app.explaining import explain_case
    from pipex_core.app.requests import EvalRequest
    from pipex_core.app.suites import suite_word

    if given["suite"]:
        if not given["target"]:
            raise ConfigError("--suite needs --target", next_step="add --target FILE")
        desk = open_desk(results=given["results"])
        request = EvalRequest(
            suite=suite_word(given["suite"]),
            target=given["target"],
            metrics=given["metrics"] or None,
        )
        job = desk.job(request)
    else:
        desk, job = job_of_run(given["run_id"] or "latest", results=given["results"])
    known = [case.id for case in job.suite.cases]
    if case_id not in known:
        from pipex_core.registry import similar

        near = similar(case_id, known)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise ConfigError(f"the suite has no case {case_id!r}{hint}", code="unknown_case")
    document = explain_case(job, desk.archive, case_id)
    emit(document, as_json=given["as_json"], text=lambda: "\n".join(_explain_lines(document)))
    return exit_ok


def _verdict(gate_file: str, a: "Stored", b: "Stored") -> Any:  # noqa: ANN401 - a Verdict, imported when needed
    from pipex_core.app.stored import as_challenger
    from pipex_core.app.suites import load_gate
    from pipex_core.evals.gate import judge

    return judge(load_gate(gate_file), as_challenger(b), baseline=a.judged)


def _flips(
    a: "Stored", b: "Stored", rows: Sequence["Comparison"], *, most: int
) -> list["FlipText"]:
    from pipex_core.evals.archive import flip_texts

    names = [
        row.metric for row in rows if row.stat == "pass_rate" or row.effect_kind == "odds_ratio"
    ]
    metrics = list(b.judgement.arm.metrics)
    name = next((one for one in [*names, *metrics] if one in metrics), None)
    return flip_texts(a, b, name, most=most) if name and most else []


def _compare_lines(
    a: "Stored", b: "Stored", rows: Sequence["Comparison"], shown: Sequence["FlipText"]
) -> Iterator[str]:
    from pipex_core.evals.compare import sentence
    from pipex_core.evals.rendering import plain, text_table
    from pipex_core.evals.report import comparison_grid

    names = [run.manifest["target"]["target_id"] for run in (a, b)]
    yield f"{b.place.suite_id}: {names[1]} ({b.place.run_id}) against {names[0]} ({a.place.run_id})"
    yield ""
    yield text_table(comparison_grid(rows))
    yield ""
    yield from (sentence(row) for row in rows)
    if shown:
        yield ""
        yield "changed cases:"
    for flip in shown:
        word = "now passes" if flip.passed_now else "now fails"
        yield f"  {flip.case_id} {word}; expected {plain(str(flip.expected))[:cut_text]}"
        yield f"    before: {plain(str(flip.output_before))[-cut_text:]}"
        yield f"    now:    {plain(str(flip.output_now))[-cut_text:]}"


def _verdict_lines(verdict: Any, run: "Stored") -> Iterator[str]:  # noqa: ANN401 - a Verdict, imported when needed
    from pipex_core.evals.rendering import number
    from pipex_core.evals.verdict import sentence, told

    yield sentence(verdict, cost_per_case=run.judgement.summary.value("cost_per_case"))
    yield from (f"  {line}" for line in verdict.warnings if line.startswith(told))
    for rule in verdict.as_json()["rules"]:
        place = f" on {rule['slice']}" if rule["slice"] else ""
        reason = f" ({rule['reason']})" if rule["reason"] else ""
        yield (
            f"  {rule['outcome']:12} {rule['id']}: {rule['kind']} of {rule['metric']}{place}, "
            f"{rule['tier']}, difference {number(rule['diff'])}{reason}"
        )


def _explain_lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"case {document['case_id']} of {document['suite']} on {document['target']}"
    layers = [("response", document["response"])]
    layers += [(f"score {one['metric']}", one) for one in document["scores"]]
    for name, one in layers:
        origin = f" from {one['origin_run_id']}" if one.get("origin_run_id") else ""
        key = f"  key {one['key'][:12]}" if one.get("key") else ""
        yield f"  {name:28} {one['state']}{origin}{key}"
        for change in one["differs"]:
            before = "" if change["before"] is None else f"{change['before']} -> "
            yield f"    {change['part']}: {before}{change['after']}"
            if change.get("diff"):
                yield from (f"      {line}" for line in change["diff"].splitlines())
