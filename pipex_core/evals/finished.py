"""Finished evaluations behind the steps that sum up, report and judge: found by what a step says, and read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive, Stored
from pipex_core.evals.findings import Findings
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate, gate_of_thresholds
from pipex_core.evals.judged import Baseline, Judged, SummaryBaseline
from pipex_core.evals.regressions import Regression, regressions, regressions_of_means
from pipex_core.evals.summary import MetricSummary, Summary, totals_document
from pipex_core.jsonvalue import Json
from pipex_core.ports import BlobStore

_below_root: Final = "/runs/suite_id="


def nothing_to_read(path: str) -> Json:
    """No file is there."""
    del path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Finds evaluations by what steps say of them, and says of them what steps ask.

    Attributes:
        results: The results folder.
        open_root: The results folder of another place.
        read_json: The JSON of a file, None when there is no such file.
        baseline: What a name means as the baseline of a suite, or None.
        challenger: A stored run as a gate sees it today.
        load_gate: The gate of a map or of a file.
        render: A report of findings in a format.
        suffixes: Format to the end of a report's file name.
    """

    results: BlobStore
    open_root: Callable[[str], BlobStore]
    read_json: Callable[[str], Json] = nothing_to_read
    baseline: Callable[[str, str], Baseline | None] = lambda _suite, _name: None
    challenger: Callable[[Stored], Judged] = lambda stored: stored.judged
    load_gate: Callable[[Json], Gate]
    render: Callable[[Findings, str], str] = lambda _findings, _form: ""
    suffixes: Mapping[str, str]

    def aggregate(self, results: Json, *, baseline: Json, drop_percent: float) -> dict[str, Json]:
        """The ``data`` of ``eval_aggregate``."""
        archive, stored = self._found(results)
        against = self._baseline(stored.place.suite_id, baseline)
        fallen = [asdict(one) for one in _fallen(stored, against, drop_percent)]
        summary = stored.judgement.summary
        return {
            "results": {
                "path": archive.url(stored.place),
                "run_id": stored.place.run_id,
                "count": stored.responses.num_rows,
                "status": stored.manifest["run"]["status"],
            },
            "baseline": against.run_id if against else None,
            "regression_threshold": drop_percent,
            "summary": step_summary(summary, stored.place.run_id),
            "metrics": {name: _numbers(one) for name, one in summary.metrics.items()},
            "regressions": fallen,
            "regression_detected": bool(fallen),
            "regression_details": fallen,
        }

    def report(self, results: Json, formats: Sequence[str]) -> dict[str, str]:
        """File name to text of each report; with the regressions that an aggregation has found."""
        archive, stored = self._found(results)
        known = results.get("regressions", ()) if isinstance(results, Mapping) else ()
        found = Findings(
            manifest=stored.manifest,
            judgement=stored.judgement,
            responses=stored.responses,
            scores=stored.scores,
            regressions=[Regression(**one) for one in known],
            files=[archive.url(stored.place)],
        )
        name = stored.place.run_id
        return {f"{name}.{self.suffixes[form]}": self.render(found, form) for form in formats}

    def judge(
        self, results: Json, *, thresholds: Mapping[str, Json], gate: Json, baseline: Json
    ) -> list[dict[str, Json]]:
        """Verdict objects of thresholds and gate, as far as there are any."""
        _, stored = self._found(results)
        run = self.challenger(stored)
        found = []
        if thresholds:
            found.append(judge(gate_of_thresholds(thresholds), run).as_json())
        if gate is not None:
            rules = self.load_gate(gate)
            named = rules.baseline if baseline is None else baseline
            against = self._baseline(stored.place.suite_id, named)
            if isinstance(against, Judged) and against.run_id == run.run_id:
                against = None
            found.append(judge(rules, run, baseline=against).as_json())
        return found

    def _found(self, results: Json) -> tuple[Archive, Stored]:
        """The evaluation that a step's words mean, with the archive that has it.

        Raises:
            ConfigError: ``unknown_run``.
        """
        archive, word = self._place(results)
        return archive, archive.load(archive.find(word))

    def _place(self, results: Json) -> tuple[Archive, str]:
        path = _said(results, "path") if isinstance(results, Mapping) else str(results)
        run_id = _said(results, "run_id") if isinstance(results, Mapping) else None
        if path is not None and _below_root in path:
            root, _, rest = path.partition(_below_root)
            named = rest.partition("run_id=")[2].partition("/")[0]
            return Archive(self.open_root(root)), run_id or named
        if run_id is None and path is not None:
            document = self.read_json(path)
            run_id = path if document is None else _run_id_in(document)
        if run_id is None:
            message = "the results name no evaluation: neither a run id nor a path"
            raise ConfigError(message, code="unknown_run")
        return Archive(self.results), run_id

    def _baseline(self, suite_id: str, baseline: Json) -> Baseline | None:
        """What an evaluation is compared with; None without a baseline.

        Raises:
            ConfigError: ``baseline_missing``.
        """
        if baseline is None or baseline == "none":
            return None
        if isinstance(baseline, Mapping):
            run_id = _said(baseline, "run_id")
            return _means_of(baseline) if run_id is None else self._found(baseline)[1].judged
        document = self.read_json(str(baseline))
        if document is None:
            return self.baseline(suite_id, str(baseline))
        run_id = _run_id_in(document)
        archive = Archive(self.results)
        if run_id is not None and any(place.run_id == run_id for place in archive.places()):
            return archive.load(archive.find(run_id)).judged
        return _means_of(document)


def step_summary(summary: Summary, run_id: str) -> dict[str, Json]:
    """The ``summary`` of a step: counts, rate and cost, and of which run."""
    return {**totals_document(summary), "run_id": run_id}


def _fallen(stored: Stored, against: Baseline | None, drop_percent: float) -> list[Regression]:
    match against:
        case None:
            return []
        case Judged():
            return regressions(against.arm, stored.judgement.arm, drop_percent=drop_percent)
        case SummaryBaseline():
            metrics = stored.judgement.summary.metrics
            return regressions_of_means(
                against.means,
                {name: one.mean for name, one in metrics.items()},
                directions={name: one.facts.scale.direction for name, one in metrics.items()},
                drop_percent=drop_percent,
            )


def _numbers(one: MetricSummary) -> dict[str, Json]:
    """The numbers of one metric as ``eval_aggregate`` shows them; what is not known is null."""
    found = one.estimate
    words = ("median", "min", "max", "p25", "p75", "p95")
    interval = found.interval if found else None
    return {
        "n": found.n if found else 0,
        "mean": one.mean,
        "std_dev": found.sd if found else None,
        **{word: getattr(found, word) if found else None for word in words},
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "n_missing": one.n_missing,
    }


def _said(results: Mapping[str, Json], name: str) -> str | None:
    """What a step's value, or the ``results`` or ``summary`` in it, says under a name."""
    places = (results, results.get("results"), results.get("summary"), results.get("run"))
    said = (place.get(name) for place in places if isinstance(place, Mapping))
    return next((word for word in said if isinstance(word, str)), None)


def _run_id_in(document: Json) -> str | None:
    return _said(document, "run_id") if isinstance(document, Mapping) else None


def _means_of(document: Json) -> SummaryBaseline:
    """The means of a result document, or of a summary ``{metrics: {name: mean or {mean, ...}}}``."""
    metrics = document.get("metrics") if isinstance(document, Mapping) else None
    if not isinstance(metrics, Mapping):
        message = "a baseline file holds `metrics`: a mean by name, or a map with a `mean`"
        raise ConfigError(message, code="baseline_missing")
    means = {
        name: one.get("mean") if isinstance(one, Mapping) else one for name, one in metrics.items()
    }
    return SummaryBaseline(
        means={name: float(mean) for name, mean in means.items() if mean is not None}
    )
