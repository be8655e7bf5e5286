"""The parts of a report that speak of the run alone: its numbers, failures, holes, cost, judges, and origin."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipex_core.evals.findings import Findings, failure_rows
from pipex_core.evals.rendering import Detail, Grid, Section, interval, number, percent, plain
from pipex_core.evals.summary import MetricSummary
from pipex_core.jsonvalue import Json, short

most_failures = 20
most_limits = 10
most_excerpt = 60


def missed_first(found: Iterable[MetricSummary]) -> list[MetricSummary]:
    """Metrics in the order of a report: those whose mean misses their threshold come first."""
    return sorted(found, key=lambda one: one.facts.reached_by(one.mean) is not False)


def metrics(found: Findings) -> Section:
    """What each metric measured, beside all that it could not."""
    grid = Grid(
        header=[
            ("metric", "left"),
            ("mean", "right"),
            ("95 % interval", "right"),
            ("passed", "right"),
            ("scored", "right"),
            ("failed", "right"),
            ("missing", "right"),
            ("n/a", "right"),
            ("bounds", "right"),
        ],
        rows=[_metric_row(one) for one in missed_first(found.judgement.summary.metrics.values())],
    )
    return Section(title="Metrics", part="metrics", grid=grid)


def _metric_row(one: MetricSummary) -> list[str]:
    ci = one.estimate.interval if one.estimate else None
    bounds = one.bounds if one.bounds and one.n_missing else (None, None)
    return [
        one.facts.name,
        number(one.mean),
        interval(ci.low, ci.high) if ci else "-",
        percent(one.pass_rate),
        *(str(n) for n in (one.n_scored, one.n_failed, one.n_missing, one.n_na)),
        interval(*bounds),
    ]


def failures(found: Findings) -> Section | None:
    """The failed cases by code, and the first of them with their texts."""
    rows = failure_rows(found.responses)
    if not rows:
        return None
    codes = Counter(map(_failure, rows))
    lines = [f"{count} x {code}" for code, count in codes.most_common()]
    details = [
        Detail(
            summary=_failure_line(row),
            texts=[
                (name, row[name])
                for name in ("input", "expected", "output", "error")
                if row[name] is not None
            ],
        )
        for row in rows[:most_failures]
    ]
    return Section(title="Failed cases", part="failures", lines=lines, details=details)


def _failure_line(row: Mapping[str, Json]) -> str:
    """The case and why it failed; of a wrong answer what was wanted and what came."""
    if row["error_code"] or row["output"] is None or row["expected"] is None:
        return f"{row['case_id']}: {_failure(row)}"
    wanted, came = (_excerpt(row[name]) for name in ("expected", "output"))
    return f"{row['case_id']}: wanted {wanted}, got {came}"


def _excerpt(text: str) -> str:
    line = " ".join(plain(text).split())
    return f"“{line if len(line) <= most_excerpt else f'{line[:most_excerpt]}…'}”"


def _failure(row: Mapping[str, Json]) -> str:
    return str(row["error_code"] or "answer not good enough")


def holes(found: Findings) -> Section | None:
    """Answers that nobody gave, and scores that could not be computed, by code."""
    missing = [
        row["error_code"] or row["status"]
        for row in found.responses.select(("class", "status", "error_code")).to_pylist()
        if row["class"] == "missing"
    ]
    unscored = {
        f"{name}: {code}": count
        for name, one in found.judgement.summary.metrics.items()
        for code, count in one.codes.items()
        if code not in ("no_output", "not_run", "budget")
    }
    lines = [f"{count} x no answer ({code})" for code, count in Counter(missing).most_common()]
    lines += [f"{count} x no score ({what})" for what, count in unscored.items()]
    return Section(title="Missing answers and scores", lines=lines) if lines else None


def cost(found: Findings) -> Section:
    """Money, tokens, latency, what came from a cache, and what had to be tried again."""
    totals = found.judgement.summary.totals
    spent = f"Cost {totals.cost_nanousd / 1e9:.6f} USD in {totals.calls:,} calls"
    if totals.judge_cost_nanousd:
        spent += f", judges {totals.judge_cost_nanousd / 1e9:.6f} USD"
    lines = [f"{spent}.", f"Tokens: {totals.input_tokens:,} in, {totals.output_tokens:,} out."]
    if totals.latency:
        shown = ", ".join(f"{word} {number(value)} ms" for word, value in totals.latency.items())
        lines.append(f"Latency: {shown}.")
    lines += [*_cache(found), *_retries(found), *_limits(found.manifest.get("limiter", ()))]
    return Section(title="Cost, tokens and time", lines=lines)


def _cache(found: Findings) -> Iterator[str]:
    counts = Counter(found.responses["cache"].to_pylist())
    saved = found.judgement.summary.totals.saved_nanousd
    if counts["carried"] or counts["hit"]:
        yield (
            f"Not asked again: {counts['carried']:,} rows carried from earlier runs,"
            f" {counts['hit']:,} from the call cache; they once cost {saved / 1e9:.6f} USD."
        )


def _retries(found: Findings) -> Iterator[str]:
    again = [n - 1 for n in found.responses["attempts"].to_pylist() if n > 1]
    if again:
        yield f"Retries: {len(again):,} rows needed {sum(again):,} further tries."


def _limits(history: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    """How many calls at once each service was found to bear."""
    by_service: dict[str, list[str]] = {}
    for change in history:
        service = "/".join(str(change[name]) for name in ("provider", "model") if change.get(name))
        by_service.setdefault(service or "provider", []).append(str(change.get("limit", "?")))
    for service, limits in by_service.items():
        cut = ["…", *limits[-most_limits:]] if len(limits) > most_limits else limits
        yield f"Calls at once to {service}: {', then '.join(cut)}."


def judges(found: Findings) -> Section | None:
    """Who judged, whether he may gate, how often he said nothing, and what he cost."""
    named = {one["metric"]: one for one in found.manifest.get("judges", ())}
    if not named:
        return None
    columns = ("metric", "submetric", "level", "code", "judge_cost_nanousd", "carried")
    rows = found.scores.select(columns).to_pylist()
    heads = [row for row in rows if row["submetric"] is None and row["level"] == "case"]
    grid = Grid(
        header=[
            ("metric", "left"),
            ("judge", "left"),
            ("models", "left"),
            ("votes", "right"),
            ("certificate", "left"),
            ("abstained", "right"),
            ("not read", "right"),
            ("not reached", "right"),
            ("USD", "right"),
        ],
        rows=[
            [
                metric,
                one["id"],
                ", ".join(member["model"] for member in one["members"]),
                str(max(one["votes"], len(one["members"]))),
                one["certificate"] or "none",
                *_silence([row for row in heads if row["metric"] == metric]),
            ]
            for metric, one in sorted(named.items())
        ],
    )
    return Section(title="Judges", part="judges", grid=grid)


def _silence(rows: Sequence[Mapping[str, Json]]) -> list[str]:
    codes = Counter(row["code"] for row in rows)
    cost = sum(row["judge_cost_nanousd"] for row in rows if not row["carried"])
    words = ("judge_abstained", "judge_parse", "judge_error")
    return [*(str(codes[word]) for word in words), f"{cost / 1e9:.6f}"]


def reproducibility(found: Findings) -> Section:
    """Everything that names what was run, and the command that runs it again."""
    manifest = found.manifest
    run = manifest["run"]
    facts = [
        ("run", f"{manifest['run_id']}, finished {run['finished_at']}"),
        (
            "suite",
            f"{manifest['suite']['id']} {run['suite_version']}, {short(run['suite_digest'])}",
        ),
        ("plan", short(run["plan_digest"])),
        ("target", f"{manifest['target']['target_id']}, {short(run['target_digest'])}"),
        ("provider", f"{run['provider']}{_model(run['model_resolved'])}"),
        ("gate", "" if run["gate_digest"] is None else short(run["gate_digest"])),
        ("rows", short(manifest["row_digest"])),
        ("seed", f"{run['seed']}, {run['repeats']} answers per case"),
        ("pipex", f"{run['pipex_version']}, prices of {run['price_table'] or 'no table'}"),
        ("libraries", ", ".join(f"{k} {v}" for k, v in sorted(run["packages"].items()))),
        ("commit", _commit(run)),
        ("Dagster", " ".join(filter(None, (run["orchestrator_run_id"], run["partition_key"])))),
        ("command", found.command),
    ]
    rows = [[name, value] for name, value in facts if value]
    grid = Grid(header=[("what", "left"), ("value", "left")], rows=rows)
    return Section(title="To do it again", part="origin", grid=grid)


def _model(resolved: str | None) -> str:
    return f", served by {resolved}" if resolved else ""


def _commit(run: Mapping[str, Json]) -> str:
    if not run["git_sha"]:
        return ""
    return f"{short(run['git_sha'])}{', with changes not committed' if run['git_dirty'] else ''}"
