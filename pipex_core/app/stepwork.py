"""Evaluations inside of pipelines: what the evaluation steps need of files, stores and gates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipex_core.app import wiring
from pipex_core.app.evaluations import Desk
from pipex_core.app.files import read_text
from pipex_core.app.providing import Providing
from pipex_core.app.reporting import rendered, text_suffixes
from pipex_core.app.settings import Settings
from pipex_core.app.stored import as_challenger
from pipex_core.app.stores import below
from pipex_core.app.suites import gate_of_suite, load_gate, load_suite
from pipex_core.engine.services import Services
from pipex_core.evals.batch import StepEvaluations
from pipex_core.evals.finished import Finished
from pipex_core.evals.gatefile import Gate, gate_of
from pipex_core.evals.judgefile import Bench
from pipex_core.jsonvalue import Json, parse


def step_evaluations(
    settings: Settings, providing: Providing, *, results: str, services: Services
) -> StepEvaluations:
    """What the evaluation steps of a pipeline call, around the services of its run."""
    desk = Desk(settings=settings, providing=providing, results=results, given=services)
    output = Path(str(settings.output_dir))

    def bench(model: str | None) -> Bench:
        made = desk.bench({})
        return replace(made, default_model=settings.judge_model or model or made.default_model)

    return StepEvaluations(
        services=services,
        registry=wiring.metrics(),
        finished=Finished(
            results=desk.blobs,
            open_root=wiring.results_store,
            read_json=_Documents(output),
            baseline=desk.stored_baseline,
            challenger=as_challenger,
            load_gate=_gate,
            render=rendered,
            suffixes=text_suffixes,
        ),
        open_store=lambda folder: wiring.results_store(below(output, folder)),
        load_suite=load_suite,
        read_target=desk.target,
        suite_gate=gate_of_suite,
        bench=bench,
        carry=lambda suite_id: desk.archive.carry(suite=suite_id),
        environment=desk.environment,
        max_cost_usd=settings.max_cost_usd,
    )


@dataclass(frozen=True, slots=True)
class _Documents:
    """JSON documents by path: as named, or below the output directory, where steps write."""

    output: Path

    def __call__(self, path: str) -> Json:
        for place in (Path(path), self.output / path):
            if place.suffix == ".json" and place.is_file():
                return parse(read_text(str(place)))
        return None


def _gate(data: Json) -> Gate:
    return gate_of(data) if isinstance(data, Mapping) else load_gate(str(data))
