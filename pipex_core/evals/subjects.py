"""Which models a target asks, as far as its words tell: a judge that is one of them judges itself."""

from collections.abc import Iterator, Mapping
from typing import Final

from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.target import Target
from pipex_core.jsonvalue import Json
from pipex_core.spec.names import steps_in
from pipex_core.spec.options import resolve_model
from pipex_core.spec.plan import Plan

model_defaults: Final = ("claude_model", "gemini_model")


def models_of(target: Target) -> list[str]:
    """The models that a target is known to ask, aliases resolved; a pipeline may name more while it runs."""
    named: list[Json] = [target.model_id]
    if isinstance(target, PipelineTarget):
        named += [target.options.get(word) for word in model_defaults]
        named += [*_named(target.plan)]
    resolved = {str(resolve_model(model)) for model in named if model is not None}
    return sorted(model for model in resolved if "{{" not in model)


def _named(plan: Plan) -> Iterator[Json]:
    """What steps and defaults of a pipeline and of its children name as they stand."""
    defaults = plan.spec.get("defaults", {})
    yield from (defaults.get(word) for word in model_defaults)
    for step in steps_in(plan.spec.steps):
        own = step.fields.get("claude_options")
        yield own.get("model") if isinstance(own, Mapping) else step.fields.get("model")
    for child in plan.children.values():
        yield from _named(child)
