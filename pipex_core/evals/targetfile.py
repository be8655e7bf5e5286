"""A target as somebody writes it: a map, a file or a shorthand, read into a target with all its problems."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.fields import (
    Reader,
    mapping,
    one_of,
    optional,
    read_map,
    text_of,
)
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.recorded import recorded_target
from pipex_core.evals.suite import Suite
from pipex_core.evals.target import PromptTarget, Target
from pipex_core.jsonvalue import Json
from pipex_core.spec.model import Finding, SourceMap
from pipex_core.spec.options import resolve_model
from pipex_core.spec.plan import Plan

kinds = ("pipeline", "prompt", "recorded")
most_output_tokens = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSources:
    """What the words of a target are read with.

    Attributes:
        load_plan: The checked plan of a pipeline file.
        read_records: The records of a file of recorded answers.
        vendors: Vendor to the provider that answers for it, such as ``anthropic`` to ``mock``.
        vendor_of: The vendor of a model.
        provider: Who answers: ``live``, ``mock`` or ``replay`` with the digest of its file.
        base_urls: Provider to the address that its calls go to, or what stands for it.
        default_model: Of prompt targets that name none, or None.
        timeout_s: Of one call.
        file_digests: Path to digest of each file that prompts of a plan name, for the run's options.
    """

    load_plan: Callable[[str], Plan]
    read_records: Callable[[str], Iterable[Mapping[str, Json]]]
    vendor_of: Callable[[str], str]
    vendors: Mapping[str, str] = field(default_factory=dict)
    provider: str = "mock"
    base_urls: Mapping[str, str] = field(default_factory=dict)
    default_model: str | None = None
    timeout_s: float = 300.0
    file_digests: Callable[[Plan, Mapping[str, Json]], Mapping[str, str | None]] = (
        lambda _plan, _options: {}
    )


def target_of(
    data: Json, *, suite: Suite, around: TargetSources, source: SourceMap | None = None
) -> Target:
    """The target that a map describes.

    Args:
        data: ``{kind: pipeline | prompt | recorded, ...}``; without ``kind`` it follows from the fields.
        suite: Gives the prompt that a prompt target leaves out.
        around: What files and models mean here.
        source: Where the parts of ``data`` stand, for messages.

    Raises:
        SpecError: All problems of the map, or of the files that it names.
    """
    where = source or SourceMap()
    if not isinstance(data, Mapping):
        raise SpecError([where.problem(Finding(code="wrong_type", message="a target is a map"))])
    kind = data.get("kind", _kind_of(data))
    readers = _readers.get(kind)
    if readers is None:
        message = f"a target is of kind {', '.join(kinds)}, not {kind!r}"
        raise SpecError(
            [where.problem(Finding(code="unknown_value", message=message, path="kind"))]
        )
    shaped = read_map(data, readers, path="", required=_required[kind])
    if shaped.findings:
        raise SpecError(map(where.problem, shaped.findings))
    values = {key: value for key, value in shaped.values.items() if value is not None}
    match kind:
        case "pipeline":
            return _pipeline(values, around)
        case "prompt":
            return _prompt(values, suite, around)
        case _:
            return recorded_target(
                around.read_records(values["path"]),
                target_id=values.get("name", "recorded"),
                model_id=values.get("model", "none"),
                file=values["path"],
            )


def _kind_of(data: Mapping[str, Json]) -> str:
    """What a map without ``kind`` is: a path names a pipeline, everything else is a prompt."""
    return "pipeline" if "path" in data else "prompt"


def _pipeline(values: Mapping[str, Any], around: TargetSources) -> PipelineTarget:
    bindings = values.get("bindings", {})
    model = values.get("model", bindings.get("model"))
    options = {**bindings.get("defaults", {}), **values.get("options", {})}
    if "environment" in bindings:
        options["environment"] = bindings["environment"]
    if "model" in options:
        message = "the model is named beside the options: `model:` of the target or of its bindings"
        raise SpecError([Problem(code="unknown_field", message=message, path="options.model")])
    plan = around.load_plan(values["path"])
    return PipelineTarget(
        plan=plan,
        files=around.file_digests(plan, options),
        output_step=values.get("output_step"),
        input_name=values.get("input_name"),
        model=None if model is None else resolve_model(model),
        inputs=bindings.get("inputs", {}),
        options=options,
        provider=around.provider,
        name=values.get("name"),
    )


def _prompt(values: Mapping[str, Any], suite: Suite, around: TargetSources) -> PromptTarget:
    named = values.get("model", around.default_model)
    if named is None:
        message = "no model: name one, or set a default model"
        raise SpecError([Problem(code="missing_field", message=message, path="model")])
    model = resolve_model(named)
    options = dict(values.get("options", {}))
    vendor = around.vendor_of(model)
    provider = around.vendors.get(vendor, vendor)
    return PromptTarget(
        provider=provider,
        base_url=around.base_urls.get(provider, ""),
        model=model,
        prompt=values.get("prompt", suite.defaults.prompt),
        system=values.get("system"),
        max_tokens=options.pop("max_tokens", most_output_tokens),
        options=options,
        timeout_s=around.timeout_s,
        target_id=values.get("name", "prompt"),
    )


_shared: Mapping[str, Reader] = {
    "kind": one_of(kinds),
    "name": optional(text_of),
    "model": optional(text_of),
}
_readers: Mapping[str, Mapping[str, Reader]] = {
    "pipeline": {
        **_shared,
        "path": text_of,
        "output_step": optional(text_of),
        "input_name": optional(text_of),
        "bindings": mapping,
        "options": mapping,
    },
    "prompt": {
        **_shared,
        "prompt": optional(text_of),
        "system": optional(text_of),
        "options": mapping,
    },
    "recorded": {**_shared, "path": text_of},
}
_required: Mapping[str, tuple[str, ...]] = {
    "pipeline": ("path",),
    "prompt": (),
    "recorded": ("path",),
}
