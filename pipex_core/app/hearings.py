"""``pipex judge``: judges before labelled cases, their certificates, and what they ask with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipex_core.app import wiring
from pipex_core.app.evaluations import Desk
from pipex_core.app.files import read_text
from pipex_core.app.judges import certificates
from pipex_core.app.suites import load_suite
from pipex_core.app.targets import read_records
from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.calibration import Calibration, calibrated
from pipex_core.evals.certificate import Certificate, Limits, certify, limits_from
from pipex_core.evals.certifying import Bailiff, human_field, output_field, repeats, ruler_of
from pipex_core.evals.job import EvalJob, RunOptions
from pipex_core.evals.judgefile import seat
from pipex_core.evals.preflight import Request, prepare
from pipex_core.evals.recorded import RecordedTarget, recorded_target
from pipex_core.evals.responding import respond
from pipex_core.evals.suite import Suite
from pipex_core.expressions.paths import get
from pipex_core.expressions.values import exists, to_text
from pipex_core.jsonvalue import Json
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.judge import JudgeMetric
from pipex_core.metrics.judge_prompt import Question, prompt_of
from pipex_core.spec.yaml_text import read_yaml

dev_split: Final = "dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summons:
    """Who is to be heard on which cases.

    Attributes:
        suite: Path of the labelled suite.
        metrics: Entries as written; None takes the suite's.
        judges: By name, in front of the suite's.
        recorded: File of the answers that are judged; None takes ``output`` of each case.
        output: Place of the answer in a case.
        human: Place of the labels in a case.
        split: Only cases of this split, or None.
    """

    suite: str
    metrics: Sequence[Json] | None = None
    judges: Mapping[str, Json] = field(default_factory=dict)
    recorded: str | None = None
    output: str = output_field
    human: str = human_field
    split: str | None = None
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its file."""

    certificate: Certificate
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What calibrating one metric found."""

    entry: Entry
    found: Calibration


async def certify_judges(
    desk: Desk, summons: Summons, *, samples: int = repeats, limits: Limits | None = None
) -> list[Issued]:
    """A certificate for the judge of every judged metric, each written to its place.

    Raises:
        SpecError: All problems of suite and metrics.
        ConfigError: ``too_few_labels``, ``judge_incomplete``, ``bad_label`` or ``not_judged``.
    """
    job = _job(desk, summons)
    kept = certificates(desk.settings)
    issued = []
    responses = (await respond(job, desk.services)).table
    for entry in job.judged:
        if entry.judge is None:
            continue
        bailiff = Bailiff(
            job=job,
            services=desk.services,
            responses=responses,
            entry=entry,
            human=summons.human,
            samples=samples,
        )
        heard = await bailiff.hear()
        certificate = certify(
            heard.cases,
            ruler_of(entry),
            judge_id=entry.judge.id,
            fingerprint=entry.judge.fingerprint,
            metric=entry.name,
            suite_id=job.suite.id,
            suite_digest=job.suite_digest,
            today=kept.today,
            limits=limits,
        )
        issued.append(Issued(certificate=certificate, path=kept.write(certificate)))
    return issued


async def calibrate_judges(desk: Desk, summons: Summons) -> list[Calibrated]:
    """What each threshold of every judged metric would give on a split; nothing is certified.

    Raises:
        SpecError: All problems of suite and metrics.
        ConfigError: ``no_such_split``, ``bad_label`` or ``not_judged``.
    """
    job = _job(desk, summons)
    responses = (await respond(job, desk.services)).table
    found = []
    for entry in job.judged:
        bailiff = Bailiff(
            job=job,
            services=desk.services,
            responses=responses,
            entry=entry,
            human=summons.human,
            samples=1,
            turned=False,
        )
        heard = await bailiff.hear()
        found.append(Calibrated(entry=entry, found=calibrated(heard.cases, ruler_of(entry))))
    return found


def load_limits(path: str | None) -> Limits | None:
    """The limits of a file; None without one.

    Raises:
        ConfigError: It names something else, or cannot be read.
    """
    if path is None:
        return None
    value = read_yaml(read_text(path), path).value
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path} holds no map of limits", code="bad_option")
    return limits_from(value)


def shown_judges(
    desk: Desk,
    metrics: Sequence[Json],
    *,
    judges: Mapping[str, Json] | None = None,
    suite: str | None = None,
) -> list[dict[str, Json]]:
    """What each judged metric asks with, who judges, and whether he may gate.

    Args:
        desk: For models and certificates.
        metrics: Entries as written; empty takes the suite's, or all that need no option.
        judges: By name, in front of the suite's.
        suite: Path of a suite whose metrics and judges count.

    Raises:
        SpecError: All problems of the entries.
    """
    known = load_suite(suite) if suite else None
    entries = [one for one in _entries(metrics, known) if isinstance(one.metric, JudgeMetric)]
    own = known.extra.get("judges") if known else None
    seated = seat(entries, desk.bench(judges or {}), judges=own)
    wrong = [problem for problem in seated.problems if problem.code != "no_judge"]
    if wrong:
        raise SpecError(wrong)
    return [_shown(entry, desk) for entry in seated.entries]


def listed_certificates(desk: Desk) -> list[dict[str, Json]]:
    """The certificates of the project with their state today."""
    kept = certificates(desk.settings)
    return [
        {
            **one.document(),
            "path": str(path),
            "id": one.id,
            "state": one.state(one.fingerprint, kept.today),
        }
        for path, one in kept.all()
    ]


def _entries(metrics: Sequence[Json], suite: Suite | None) -> Iterator[Entry]:
    registry = wiring.metrics()
    named = metrics or (suite.defaults.metrics if suite else None)
    if named:
        yield from resolve_entries(list(named), registry)
        return
    for name in registry:
        info = registry.get(name).info
        if info.cost_class == "judge" and not any(one.required for one in info.options.values()):
            yield from resolve_entries([name], registry)


def _shown(entry: Entry, desk: Desk) -> dict[str, Json]:
    metric, judge = entry.metric, entry.judge
    if not isinstance(metric, JudgeMetric):
        raise TypeError(f"{entry.type} asks no judge")
    kept = certificates(desk.settings)
    fields = {"answer": "(text of the case or of the answer)"}
    example = Question(template=metric.templates[0], fields=fields, max_chars=metric.max_chars)
    return {
        "metric": entry.name,
        "type": entry.type,
        "judge": None if judge is None else judge.document(),
        "certificate": None
        if judge is None
        else {"state": kept.state(judge), "path": str(kept.path(judge)), "id": judge.certificate},
        "templates": [template.document() for template in metric.templates],
        "example": prompt_of(example, judge=judge.fingerprint if judge else "").text,
    }


def _job(desk: Desk, summons: Summons) -> EvalJob:
    suite = load_suite(summons.suite)
    cases = [case for case in suite.cases if summons.split in (None, case.split)]
    if not cases:
        raise ConfigError(
            f"no case of {suite.id} is of the split {summons.split!r}",
            code="no_such_split",
            next_step="give cases a `split`, or name another one with --split",
        )
    job = prepare(
        Request(
            run_id=desk.new_run_id(),
            suite=suite,
            target=_target(suite, summons),
            cases=cases,
            metrics=summons.metrics,
            options=summons.options,
        ),
        registry=wiring.metrics(),
        bench=lambda: desk.bench(summons.judges),
    )
    if not job.judged:
        raise ConfigError(
            f"no metric of {suite.id} needs a judge",
            code="not_judged",
            next_step="name one with -m, such as -m relevance",
        )
    return job


def _target(suite: Suite, summons: Summons) -> RecordedTarget:
    if summons.recorded is not None:
        return recorded_target(read_records(summons.recorded), file=summons.recorded)
    records = []
    for case in suite.cases:
        output = get({"metadata": case.metadata, "input": case.input}, summons.output)
        if exists(output):
            records.append({"case_id": case.id, "output": to_text(output)})
    return recorded_target(records)
