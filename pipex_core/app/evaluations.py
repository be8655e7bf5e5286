"""Evaluations: targets and suites from disk, runs through the one engine, and what earlier runs know."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from pipex_core.app import wiring
from pipex_core.app.files import located, require_folder
from pipex_core.app.judges import bench_of, judges_of
from pipex_core.app.pipelines import kept_run, load_pipeline, services_for, waited
from pipex_core.app.providing import ProviderKind, Providing, providing_of, vendors
from pipex_core.app.requests import (
    EvalRequest,
    request_document,
    request_of_document,
    selected_cases,
)
from pipex_core.app.settings import Settings, read_settings
from pipex_core.app.stored import baseline_of, find_run, open_archive
from pipex_core.app.stores import require_place
from pipex_core.app.suites import folder_of, gate_of_suite, load_gate, load_suite
from pipex_core.app.targets import file_digests, read_records, target_map, vendor_of
from pipex_core.engine.services import Services
from pipex_core.errors import Problem, SpecError
from pipex_core.evals.archive import Archive, outputs_of
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.gatefile import Gate
from pipex_core.evals.job import EvalJob, RunOptions, capped
from pipex_core.evals.judged import Baseline, Judged
from pipex_core.evals.judgefile import Bench
from pipex_core.evals.manifest import Environment
from pipex_core.evals.preflight import DryRun, Request, dry_run, prepare
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.respond import Unit
from pipex_core.evals.runner import EvalRun, evaluate
from pipex_core.evals.scorekeys import compares_with_baseline
from pipex_core.evals.suite import Suite
from pipex_core.evals.target import Target
from pipex_core.evals.targetfile import TargetSources, target_of
from pipex_core.evals.turns import Lane
from pipex_core.jsonvalue import Json, canonical_bytes, parse
from pipex_core.ports import BlobStore
from pipex_core.telemetry import Listener

numeric_libraries = ("numpy", "scipy", "pyarrow", "sacrebleu", "rapidfuzz")
request_key = "eval.json"
answers_of_a_run = "answers_of"  # kind of target: what a stored run has, to be measured anew


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where evaluations of one process are prepared and run.

    Attributes:
        providing: Who answers model calls.
        results: Folder of the result tables.
        given: Services to use; None makes new ones.
    """

    settings: Settings
    providing: Providing
    results: str = "results"
    listener: Listener = wiring.unheard
    given: Services | None = None

    @cached_property
    def services(self) -> Services:
        """Those given, or new ones, made when first needed."""
        return self.given or services_for(
            self.settings, self.providing, listener=self.listener, results=self.results
        )

    @cached_property
    def blobs(self) -> BlobStore:
        """The results folder."""
        return wiring.results_store(self.results)

    @cached_property
    def archive(self) -> Archive:
        """The complete runs in the results folder."""
        return Archive(self.blobs)

    @cached_property
    def environment(self) -> Environment:
        """Versions that go into manifests."""
        packages = {name: version(name) for name in numeric_libraries}
        prices = wiring.prices_of(self.settings)
        return Environment(
            pipex_version=version("pipex"),
            packages=packages,
            price_table=prices.as_of.isoformat(),
        )

    def job(self, request: EvalRequest) -> EvalJob:
        """The checked job of a request; nothing has been called.

        Raises:
            SpecError: All problems of suite, target, metrics and gate.
            ConfigError: An option is wrong.
        """
        suite = load_suite(request.suite)
        cases, is_subset = selected_cases(suite, request)
        target = self.target(request.target, suite)
        gate = load_gate(request.gate) if request.gate else gate_of_suite(suite)
        if gate is not None and request.allow_uncertified:
            gate = replace(gate, require_certificate=False)
        cap = self.settings.max_cost_usd
        wanted = Request(
            run_id=request.run_id or self.new_run_id(),
            suite=suite,
            target=target,
            cases=cases,
            metrics=request.metrics,
            repeats=request.repeats,
            reducer=request.reducer,
            gate=gate,
            baseline=self.baseline(suite, gate, request.baseline, reducer=request.reducer),
            seed=request.seed,
            options=request.options if "budget" in suite.extra else capped(request.options, cap),
            is_subset=is_subset,
            labels=request.labels,
        )
        known = wiring.metrics(folder_of(Path(suite.location)), allow_code=request.allow_code)
        try:
            job = prepare(wanted, registry=known, bench=lambda: self.bench(request.judges))
        except SpecError as exc:
            raise SpecError(_of_the_suite(exc.problems, suite, request)) from exc
        job = replace(job, options=capped(job.options, cap))
        return replace(job, others=self._others(job))

    def bench(self, shared: Mapping[str, Json]) -> Bench:
        """What judges are read with; ``shared`` are those of the caller, by name."""
        urls = self._base_urls()
        return bench_of(self.settings, self.services, base_urls=urls, shared=shared)

    def _others(self, job: EvalJob) -> Mapping[str, str]:
        """The baseline's answers, where a metric compares two and has no other place for the second."""
        run = job.baseline
        if not isinstance(run, Judged) or not compares_with_baseline(job):
            return {}
        answers = self.archive.table(self.archive.find(run.run_id), "responses")
        found = outputs_of(answers, [case.id for case in job.cases])
        return {case_id: output for case_id, (output, _) in found.items() if output is not None}

    def remember(self, job: EvalJob, request: EvalRequest) -> None:
        """Keep what was asked beside the journal, so that the run can go on by its id alone."""
        document = {
            **request_document(replace(request, run_id=job.run_id)),
            "results": self.results,
            "provider": asdict(self.providing),
        }
        self.services.journals.blobs(job.run_id).put(request_key, canonical_bytes(document))

    def require_folders(self) -> None:
        """Make sure, before anything is paid for, that its answer can be kept.

        Raises:
            ConfigError: ``folder_not_writable``.
        """
        require_place(self.results, self.blobs, option="--results DIR")
        require_folder(self.settings.text("checkpoint_dir"), option="PIPELINE_CHECKPOINT_DIR")

    async def run(self, job: EvalJob, *, carry: bool = True, lane: Lane | None = None) -> EvalRun:
        """The finished evaluation, published into the results folder; ``aclose`` when done with all."""
        target = job.target
        answers_of = target.run_id if isinstance(target, RecordedTarget) else ""
        found = CarryIndex()
        if carry or answers_of:
            found = self.archive.carry(suite=job.suite.id, answers_of=answers_of)
        return await evaluate(
            job,
            self.services,
            blobs=self.blobs,
            carry=found,
            environment=self.environment,
            lane=lane,
        )

    async def aclose(self) -> None:
        """Let go of the connections; in the event loop that used them."""
        await self.services.client.aclose()

    def plan(self, job: EvalJob, *, carry: bool = True) -> DryRun:
        """What a run would do."""
        index = self.archive.carry(suite=job.suite.id) if carry else CarryIndex()
        return dry_run(
            job,
            carried=lambda unit: index.answer(unit.key),
            done=unanswered,
            prices=wiring.prices_of(self.settings),
        )

    def baseline(
        self,
        suite: Suite,
        gate: Gate | None,
        named: str | None = None,
        *,
        reducer: str | None = None,
    ) -> Baseline | None:
        """The run that a gate compares with, read as the new one is, or None when there is none yet."""
        name = named or (gate.baseline if gate else None)
        known = reducer or suite.defaults.reducer
        return self.stored_baseline(suite.id, name, reducer=known) if name else None

    def stored_baseline(
        self, suite_id: str, name: str, *, reducer: str | None = None
    ) -> Baseline | None:
        """The stored run under a name: a pointer, a run id, ``latest`` or a target's newest run.

        Raises:
            ConfigError: ``baseline_missing``, the name is neither a pointer nor a run.
        """
        return baseline_of(self.archive, suite_id, name, reducer=reducer)

    def target(self, word: str | Mapping[str, Json], suite: Suite) -> Target:
        """A target from a map, or from a target file, a pipeline file or recorded answers."""
        if isinstance(word, Mapping) and word.get("kind") == answers_of_a_run:
            return self.archive.answers_of(str(word["run_id"]))
        return self.read_target(target_map(word), suite)

    def read_target(self, data: Json, suite: Suite) -> Target:
        """The target that a map describes."""
        return target_of(data, suite=suite, around=self.surroundings)

    @cached_property
    def surroundings(self) -> TargetSources:
        """What files and models mean for targets."""
        return TargetSources(
            load_plan=lambda path: load_pipeline(path, settings=self.settings),
            read_records=read_records,
            vendor_of=vendor_of,
            vendors=self.services.vendors,
            provider=self.answerer,
            base_urls=self._base_urls(),
            default_model=self.settings.claude_model,
            file_digests=lambda plan, options: file_digests(plan, self.settings, options),
        )

    @property
    def answerer(self) -> str:
        """Who answers, as part of a pipeline target's identity."""
        urls = self._base_urls()
        addresses = [f"{name}={urls[name]}" for name in vendors if urls[name]]
        if self.providing.kind == "mixed":
            # Which vendors are live follows from the keys that are set, so it is said of each.
            routed = [f"{name}={one}" for name, one in sorted(self.services.vendors.items())]
            return ",".join([self.providing.identity, *routed, *addresses])
        if self.providing.kind == "live" and addresses:
            return f"live:{','.join(addresses)}"
        return self.providing.identity

    def _base_urls(self) -> dict[str, str]:
        if self.providing.kind == "replay":
            return dict.fromkeys(vendors, self.providing.identity)
        known = {name: self.settings.values[f"{name}_base_url"] or "" for name in vendors}
        return {**known, "mock": replace(self.providing, kind="mock").identity}

    def new_run_id(self) -> str:
        """An id for an evaluation: the time, and eight digits of which the last three are random.

        The first five count microseconds, so that ids sort by time within a second too.
        """
        now = self.services.clock.now()
        return f"ev_{now:%Y%m%dT%H%M%S}_{now.microsecond:05x}{self.services.ids.hex(3)}"


def unanswered(unit: Unit) -> None:
    """A new run has no answers of an earlier try."""
    del unit


def reopened(
    run_id: str, *, settings: Settings | None = None, listener: Listener = wiring.unheard
) -> tuple[Desk, EvalRequest]:
    """The desk and the request of a run that is to go on.

    Raises:
        ConfigError: ``unknown_run``.
    """
    known = settings or read_settings()
    path = kept_run("evaluation", run_id, request_key, known)
    document = parse(path.read_text(encoding="utf-8"))
    providing = Providing(**document.pop("provider"))
    results = document.pop("results")
    desk = Desk(settings=known, providing=providing, results=results, listener=listener)
    return desk, request_of_document(document)


def job_of_run(run_id: str, *, results: str | None = None) -> tuple[Desk, EvalJob]:
    """The job of a finished run as its files stand now.

    Raises:
        ConfigError: ``unknown_run``, or the words of the run are not kept any more.
    """
    archive = open_archive(results)
    place = find_run(archive, run_id)
    desk, request = reopened(place.run_id)
    desk = replace(desk, results=results or desk.results)
    return desk, desk.job(replace(request, run_id=None))


def open_desk(
    *,
    results: str | None = None,
    listener: Listener = wiring.unheard,
    settings: Settings | None = None,
    **provider: str | None,
) -> Desk:
    """A desk with this process's settings."""
    known = settings or read_settings()
    providing = providing_of(known, **provider)
    folder = results or known.text("results_dir")
    return Desk(settings=known, providing=providing, results=folder, listener=listener)


async def arun_eval(  # noqa: PLR0913 - the contract of evaluation.md 10.1
    suite: str,
    target: str | Mapping[str, Json],
    metrics: Sequence[Json] | None = None,
    *,
    gate: str | None = None,
    baseline: str | None = None,
    results: str = "results",
    provider: ProviderKind = "mock",
    mock_responses: str | None = None,
    cassette: str | None = None,
    **options: Json,
) -> EvalRun:
    """Evaluate a target on a suite; see ``run_eval``."""
    desk = open_desk(
        results=results, kind=provider, mock_responses=mock_responses, cassette=cassette
    )
    words = ("repeats", "reducer", "seed", "limit", "allow_uncertified", "allow_code")
    known = {name: options.pop(name) for name in words if name in options}
    judges = judges_of(options.pop("judge", None))
    request = EvalRequest(
        suite=suite,
        target=target,
        metrics=metrics,
        gate=gate,
        baseline=baseline,
        options=RunOptions(**options),
        judges=judges,
        **known,
    )
    job = desk.job(request)
    desk.require_folders()
    desk.remember(job, request)
    try:
        return await desk.run(job)
    finally:
        await desk.aclose()


def run_eval(
    suite: str,
    target: str | Mapping[str, Json],
    metrics: Sequence[Json] | None = None,
    **options: Json,
) -> EvalRun:
    """Evaluate a target on a suite and wait for the end; works in a notebook too.

    Args:
        suite: Path of a suite.
        target: Map of a target, or path of a target file, a pipeline or recorded answers.
        metrics: Entries; the suite's when None.
        options: ``gate baseline results provider mock_responses cassette repeats reducer seed limit judge
            allow_uncertified allow_code``, and the fields of ``RunOptions``. A ``judge`` is a file, a model or a map.

    Returns:
        The run: ``run_id status summary verdict row_digest responses scores``.

    Raises:
        SpecError: A problem found before anything was called; never for a failing case.
    """
    return waited(arun_eval(suite, target, metrics, **options))


def _of_the_suite(
    problems: Sequence[Problem], suite: Suite, request: EvalRequest
) -> Sequence[Problem]:
    """Problems of metrics that the suite names, with their places in its file."""
    if request.metrics is not None or not suite.location:
        return problems
    found: list[Problem] = []
    for one in problems:
        is_entry = one.path.startswith("metrics")
        found += located([one], suite.location, within="defaults") if is_entry else [one]
    return found
