"""A suite and who is evaluated on it, as their files are; what that makes of the code version of each layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipex_core.app.judges import worded_bench
from pipex_core.app.pipelines import load_pipeline
from pipex_core.app.project import ModelEntry, Project
from pipex_core.app.settings import read_settings
from pipex_core.app.suites import gate_of_suite, load_suite
from pipex_core.app.targets import file_digests
from pipex_core.app.wiring import metrics
from pipex_core.errors import ConfigError
from pipex_core.evals.baselines import Pointer, champion, pointer_from
from pipex_core.evals.gatefile import Gate, paired_kinds
from pipex_core.evals.job import EvalJob, RunOptions, capped
from pipex_core.evals.judged import Judged
from pipex_core.evals.judgefile import Bench
from pipex_core.evals.preflight import Request, prepare
from pipex_core.evals.suite import Suite
from pipex_core.evals.target import PromptTarget, Target
from pipex_core.jsonvalue import Json, digest, digest_bytes
from pipex_core.ports import key_part
from pipex_dagster.resources import project_settings
from pipex_dagster.translator import Layer, longest_partition, partition_of

# Raised when the engine or an adapter would ask the same target otherwise.
responses_version = 1
layer_version = "1"
# Stands for the target where rows are judged and nobody is asked.
nobody = PromptTarget(provider="mock", model="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFiles:
    """A suite and who is evaluated on it, as the files are when the definitions are built.

    Attributes:
        name: Folder of the suite, under which the models file names it.
        root: Folder of the project.
        champion: Whom others are compared with: the target of the pointer, else the one that the models
            file marks.
        pointer: The run that was promoted; None before the first promotion.
    """

    name: str
    root: Path
    suite: Suite
    gate: Gate | None
    entries: Sequence[ModelEntry]
    champion: ModelEntry | None
    pointer: Pointer | None = None

    def entry(self, target: str) -> ModelEntry:
        """The entry of the models file with this name.

        Raises:
            ConfigError: ``unknown_target``, the models file does not name it for this suite.
        """
        found = next((entry for entry in self.entries if entry.name == target), None)
        if found is None:
            raise ConfigError(
                f"the models file has no target {target!r} for suite {self.suite.id!r}",
                code="unknown_target",
                next_step="name it in `test_suites/models.yaml`, or delete the partition",
            )
        return found

    @property
    def against(self) -> str | None:
        """What targets are compared with, in words, or None."""
        if self.pointer is not None:
            return f"{self.pointer.target_id} ({self.pointer.run_id})"
        return self.champion.name if self.champion else None

    def is_champion(self, target: str) -> bool:
        """Whether others are compared with this target."""
        if self.pointer is not None:
            return self.pointer.target_id == target
        return self.champion is not None and self.champion.name == target

    def is_compared(self, target: str, *, run_id: str) -> bool:
        """Whether there is somebody to compare an evaluation with: never the champion with itself.

        A later run of the champion is compared with the one that was promoted: that is how its
        regressions are found.
        """
        if self.pointer is not None:
            return self.pointer.run_id != run_id
        return not self.is_champion(target)

    def gate_for(self, target: str, *, run_id: str) -> Gate | None:
        """The rules that apply to an evaluation: all, or those that compare nothing."""
        if self.gate is None or self.is_compared(target, run_id=run_id):
            return self.gate
        own = tuple(rule for rule in self.gate.rules if rule.kind not in paired_kinds)
        return replace(self.gate, rules=own) if own else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Code version of each layer: it changes exactly when the layer would come out differently.

    Attributes:
        responses: Engine and adapter semantics, repeats, and what the targets do apart from which model
            they use: a new model leaves the other partitions fresh.
        scores: What is measured.
        summary: Thresholds, weights, tags and reducers as well.
        comparison: The same, and whom it compares with.
        asks_judges: Whether scores are paid work.
        verdict: The gate, and whom it compares with.
    """

    responses: str
    scores: str
    summary: str
    comparison: str
    verdict: str
    asks_judges: bool

    def of(self, layer: Layer) -> str:
        """The version of a layer; those of suite and leaderboard follow from their inputs alone."""
        if layer in ("suite", "leaderboard"):
            return layer_version
        found: str = getattr(self, layer)
        return found


def suite_files(project: Project, name: str) -> SuiteFiles:
    """The suite in one folder of a project.

    Raises:
        SpecError: All problems of its files.
        ConfigError: ``target_name_too_long``, a target of the models file can be no partition.
    """
    suite = load_suite(project.suites[name])
    entries = list(project.entries(name))
    for entry in entries:
        _check_name(entry)
    pointer = champion_pointer(project.root, suite.id)
    blessed = pointer.target_id if pointer else ""
    of_pointer = next((entry for entry in entries if entry.name == blessed), None)
    return SuiteFiles(
        name=name,
        root=project.root,
        suite=suite,
        gate=gate_of_suite(suite),
        entries=entries,
        pointer=pointer,
        champion=of_pointer or project.champion(name),
    )


def champion_pointer(root: Path, suite_id: str) -> Pointer | None:
    """The pointer of the suite's champion in ``baselines/`` of a project; None before any promotion.

    Raises:
        ConfigError: ``bad_baseline``.
    """
    path = root / "baselines" / key_part(suite_id) / f"{champion}.json"
    return pointer_from(path.read_text(encoding="utf-8"), champion) if path.is_file() else None


def _check_name(entry: ModelEntry) -> None:
    try:
        partition_of(entry.name)
    except ValueError as exc:
        raise ConfigError(
            str(exc),
            code="target_name_too_long",
            next_step=f"give it a name of at most {longest_partition} letters and digits in the models file",
        ) from exc


def versions_of(files: SuiteFiles) -> Versions:
    """The code versions of a suite's layers.

    Raises:
        SpecError: All problems of metrics, gate and pipelines.
    """
    job = job_of(files.suite, nobody, gate=files.gate, run_id="")
    own = {case: [entry.fingerprint for entry in of] for case, of in job.case_metrics.items()}
    asked = [responses_version, job.repeats, sorted({_program(files, e) for e in files.entries})]
    compared = files.champion.name if files.champion else None
    return Versions(
        responses=digest(asked)[:16],
        scores=digest([[entry.fingerprint for entry in job.metrics], own])[:16],
        summary=job.plan_digest[:16],
        comparison=digest([job.plan_digest, compared])[:16],
        asks_judges=bool(job.judged),
        verdict=digest([job.plan_digest, files.gate.digest if files.gate else None, compared])[:16],
    )


def target_key(files: SuiteFiles, entry: ModelEntry) -> str:
    """What the models file says about a target, its files included: another target, another key."""
    return digest([_program(files, entry), entry.targets[files.name].get("model"), entry.provider])


def _program(files: SuiteFiles, entry: ModelEntry) -> str:
    """What a target does with a case and what stands in for a model, apart from which model it is."""
    data = dict(entry.targets[files.name])
    own = {key: value for key, value in data.items() if key not in ("id", "name", "model")}
    match data["kind"]:
        case "pipeline":
            plan = load_pipeline(files.root / str(data["path"]))
            options = data.get("options", {})
            named = file_digests(plan, project_settings(str(files.root)), options)
            own["path"] = [plan.digest, dict(named)]
        case "prompt":
            own.setdefault("prompt", files.suite.defaults.prompt)
        case _:
            own["path"] = _digest_of(files.root / str(data["path"]))
    for name in (entry.mock_responses, entry.cassette):
        if name is not None:
            own[name] = _digest_of(files.root / name)
    return digest(own)


def _digest_of(path: Path) -> str | None:
    """Of a file's bytes; None for one that is not there, which is told when somebody needs it."""
    return digest_bytes(path.read_bytes()) if path.is_file() else None


def job_of(  # noqa: PLR0913 - what a request has, all named
    suite: Suite,
    target: Target,
    *,
    run_id: str,
    gate: Gate | None = None,
    baseline: Judged | None = None,
    options: RunOptions | None = None,
    origin: Mapping[str, Json] | None = None,
    max_cost_usd: float | None = None,
    bench: Callable[[], Bench] | None = None,
) -> EvalJob:
    """The job of evaluating a target on a suite with the metrics that the suite names.

    ``max_cost_usd`` is the operator's cap on the money of one run. ``bench`` makes what judges are read
    with; without it only their words count, and nobody can be asked.
    """
    request = Request(
        run_id=run_id,
        suite=suite,
        target=target,
        gate=gate,
        baseline=baseline,
        options=options or RunOptions(),
        origin=origin or {},
    )
    job = prepare(
        request, registry=metrics(), bench=bench or (lambda: worded_bench(read_settings()))
    )
    return replace(job, options=capped(job.options, max_cost_usd))
